"""Write run folders up as HTML, Markdown, LaTeX or PDF."""
