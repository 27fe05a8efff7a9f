"""How much of anything an archive may hold, and why so much."""

BLOCK = 2**20  # bytes held at a time
FILES = 200_000  # files and folders: five times what the largest data set here has, OpenMIC with 40,000
EXPANSION = 100  # times its size: ten times what sound, pictures and tables do, a tenth of what deflate can
SMALL = 100_000_000  # bytes that any archive may unpack to, however little it is
PART = 255  # bytes of one name: what ext4, APFS and NTFS take
PATH = 500  # bytes of a path: half of what macOS takes; so at most 250 folders deep, which Python can still remove
TABLE = 2**25  # bytes of a zip's table, which is read at once: 160 for each of FILES
HEADER = 2**15  # bytes in which a tar describes one file; usual are 512, and 2,048 with a long name
XZ_MEMORY = 2**28  # bytes to unpack xz in: its strongest usual setting, -9, takes a quarter
SPARE = 500_000_000  # bytes that stay free on the disk, for what is computed from the data


def most_bytes(packed: int) -> int:
    """How many bytes may come out of an archive of `packed` bytes."""
    return max(SMALL, EXPANSION * packed)
