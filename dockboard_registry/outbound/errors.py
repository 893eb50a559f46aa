"""What can go wrong with a request to another server."""


class OutboundError(Exception):
    """Base of these errors. As text it says what happened, without any secret and without the path that was asked."""


class Unreachable(OutboundError):
    """There was no whole answer: no connection, a connection that broke, or no answer in time."""


class NotTried(Unreachable):
    """Nothing was sent, because the server has failed for a while, or because all connections are in use."""


class AddressRefused(OutboundError):
    """The guard does not let us connect to this address."""


class AnswerTooLarge(OutboundError):
    """The answer has more bytes than the caller takes."""
