"""A process with doubles of vendors' stores: `python -m tests.support.cloud_process`.

It makes a bucket for every line of its standard input, which names the vendor, and answers with the bucket's port.
"""

import sys

from tests.support.bos_double import BOSDouble
from tests.support.cloud_double import Double
from tests.support.kodo_double import KodoDouble

_MAKERS = {"bos": BOSDouble, "kodo": KodoDouble}


def main() -> None:
    made = []
    for line in sys.stdin:
        vendor = line.strip()
        made.append(_MAKERS.get(vendor, Double)(vendor))
        print(made[-1].port, flush=True)


if __name__ == "__main__":
    main()
