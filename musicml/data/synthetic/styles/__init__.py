"""Describe ten genres of music as data, each as several styles."""

from musicml.data.synthetic.styles import blues, classical, country, disco, hiphop, jazz, metal, pop, reggae, rock
from musicml.data.synthetic.styles.style import Style

STYLES: dict[str, tuple[Style, ...]] = {
    module.__name__.rpartition(".")[2]: module.STYLES
    for module in (blues, classical, country, disco, hiphop, jazz, metal, pop, reggae, rock)
}
