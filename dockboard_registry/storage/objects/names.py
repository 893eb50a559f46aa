"""The names of objects below the prefix.

store-id                        the marker, as in a directory
blobs/<2 hex>/<key>             one object for each key, in the order of the keys
"""

MARKER, BLOBS = "store-id", "blobs/"


def name_of(key: str) -> str:
    return f"{BLOBS}{key[:2]}/{key}"


def key_of(name: str) -> str:
    return name.rpartition("/")[2]
