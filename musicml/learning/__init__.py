"""How a Keras model learns: batches, losses, what happens each epoch, and the fit itself."""
