"""A process with doubles of vendors' stores: `python -m tests.support.cloud_process`.

It makes a bucket for every line of its standard input and answers with the bucket's port. A line names the vendor, and
the seconds by which the bucket's clock is ahead.
"""

import sys

from tests.support.bos_double import BOSDouble
from tests.support.cloud_double import Double
from tests.support.kodo_double import KodoDouble

_MAKERS = {"bos": BOSDouble, "kodo": KodoDouble}


def main() -> None:
    made = []
    for line in sys.stdin:
        vendor, ahead = line.split()
        made.append(_MAKERS.get(vendor, Double)(vendor, float(ahead)))
        print(made[-1].port, flush=True)


if __name__ == "__main__":
    main()
