"""The HTTP client of outbound/, with real sockets and a server that fails in each way that servers do."""

import os
import ssl
import threading
import time
from ipaddress import ip_address, ip_network

import pytest

from dockboard_registry.outbound.breaker import Breaker
from dockboard_registry.outbound.client import Client, Observer, Request
from dockboard_registry.outbound.connections import Limits
from dockboard_registry.outbound.errors import AddressRefused, NotTried, Unreachable
from dockboard_registry.outbound.guard import public_and
from dockboard_registry.outbound.retries import Allowance, Attempts, wanted_pause
from tests.protocol.certificates import make_certificate
from tests.support.scripted import Scripted, answer, cut, early_end, stall
from tests.support.server import free_port

SHORT = Limits(connect=2, send=0.3, answer=0.3, read=0.3)


@pytest.fixture
def client():
    made = Client(limits=SHORT, budget=5)
    yield made
    made.close()


def get(server: Scripted, path: str = "/x", **more) -> Request:
    return Request("GET", server.url + path, **more)


def test_a_connection_is_used_again(client):
    with Scripted(answer(200, b"one"), answer(404, b"none"), answer(200, b"three")) as server:
        found = [client.send(get(server, f"/{number}?a=b")) for number in range(3)]
    assert [(each.status, each.body) for each in found] == [(200, b"one"), (404, b"none"), (200, b"three")]
    assert [(each.target, each.connection) for each in server.received] == [("/0?a=b", 0), ("/1?a=b", 0), ("/2?a=b", 0)]
    assert server.received[0].fields["host"] == f"127.0.0.1:{server.port}"


def test_a_connection_that_the_server_closed_meanwhile_is_no_failure(client):
    with Scripted(answer(200, b"ok")) as server:
        client.send(get(server))
        server.close_connections()
        time.sleep(0.05)
        assert client.send(get(server, repeatable=False)).body == b"ok"
    assert [each.connection for each in server.received] == [0, 1]


@pytest.mark.parametrize("failure", [answer(500), answer(502), answer(503), answer(504), answer(429), cut(), stall()])
def test_what_failed_once_is_sent_again_with_fresh_fields(client, failure):
    dates = iter(range(10))
    with Scripted(failure, answer(200, b"stored")) as server:
        request = Request("PUT", server.url, lambda: {"X-Date": str(next(dates))}, b"content" * 1000)
        assert client.send(request).body == b"stored"
    assert [each.body for each in server.received] == [b"content" * 1000] * 2
    assert len({each.fields["x-date"] for each in server.received}) == 2


def test_what_fails_each_time_is_given_up(client):
    with Scripted(answer(503, b"SlowDown")) as server:
        assert client.send(get(server)).status == 503
        assert len(server.received) == 5
    with Scripted(cut()) as server:
        with pytest.raises(Unreachable):
            client.send(get(server))


def test_what_may_not_be_repeated_is_sent_once(client):
    with Scripted(cut(), answer(200)) as server:
        with pytest.raises(Unreachable):
            client.send(Request("POST", server.url, body=b"pay", repeatable=False))
        assert len(server.received) == 1


def test_retry_after_is_waited_for(client):
    with Scripted(answer(429, Retry_After="1"), answer(200)) as server:
        begun = time.monotonic()
        assert client.send(get(server)).status == 200
        assert time.monotonic() - begun >= 1


def test_a_retry_after_beyond_the_budget_is_not_waited_for(client):
    with Scripted(answer(503, Retry_After="3600")) as server:
        begun = time.monotonic()
        assert client.send(get(server)).status == 503
        assert time.monotonic() - begun < 3
        assert len(server.received) == 1


def test_a_body_that_ends_early_is_no_answer(client):
    with Scripted(early_end(b"half", 8), answer(200, b"the whole")) as server:
        assert client.send(get(server)).body == b"the whole"


def test_a_stream_gives_its_bytes_and_keeps_the_connection(client):
    data = bytes(range(256)) * 4096
    with Scripted(answer(200, data), answer(200, b"next")) as server:
        found = client.send(get(server), stream=True)
        assert found.length == len(data)
        pieces = [found.read(100_000) for _ in range(11)]
        found.close()
        found.close()
        assert b"".join(pieces) == data
        assert client.send(get(server)).body == b"next"
    assert [each.connection for each in server.received] == [0, 0]


@pytest.mark.parametrize("ending", [early_end(b"x" * 1000, 5000), stall(b"x" * 1000, 5000)])
def test_a_stream_that_breaks_says_so(client, ending):
    with Scripted(ending, answer(200)) as server:
        found = client.send(get(server), stream=True)
        assert found.read(1000) == b"x" * 1000
        with pytest.raises(Unreachable):
            found.read(1000)
        found.close()
        assert client.send(get(server)).status == 200
    assert [each.connection for each in server.received] == [0, 1]


@pytest.fixture
def pipe():
    """The descriptors of its exit and its entry."""
    made = os.pipe2(os.O_NONBLOCK)
    yield made
    for descriptor in made:
        os.close(descriptor)


def test_a_stream_goes_through_a_pipe_and_keeps_the_connection(client, pipe):
    data = bytes(range(256)) * 4096
    with Scripted(answer(200, data), answer(200, b"next")) as server:
        found = client.send(get(server), stream=True)
        assert found.passes
        received = found.read(10)
        while count := found.pass_on(pipe[1], 50_000):
            received += os.read(pipe[0], count)
            if len(received) < 100_000:
                received += found.read(1000)
        found.close()
        assert received == data
        assert client.send(get(server)).body == b"next"
    assert [each.connection for each in server.received] == [0, 0]


@pytest.mark.parametrize("ending", [early_end(b"x" * 10_000, 50_000), stall(b"x" * 10_000, 50_000)])
def test_a_stream_that_breaks_says_so_through_a_pipe_too(client, pipe, ending):
    with Scripted(ending) as server:
        found, received = client.send(get(server), stream=True), b""
        with pytest.raises(Unreachable, match="ended early|in time"):
            while count := found.pass_on(pipe[1], 50_000):
                received += os.read(pipe[0], count)
        found.close()
    assert received == b"x" * 10_000


def test_a_stream_that_is_left_gives_its_connection_up(client):
    with Scripted(answer(200, bytes(1 << 20))) as server:
        for _ in range(70):
            found = client.send(get(server), stream=True)
            found.read(10)
            found.close()


def test_an_answer_to_a_body_that_was_not_read_is_heard(client):
    with Scripted(answer(403, b"not allowed"), unread=100) as server:
        assert client.send(Request("PUT", server.url, body=bytes(30 << 20))).status == 403


def test_connections_are_bounded():
    client = Client(limits=Limits(connect=0.2), connections=2)
    with Scripted(answer(200, bytes(1 << 20))) as server:
        open_streams = [client.send(get(server), stream=True) for _ in range(2)]
        with pytest.raises(NotTried, match="all connections are in use"):
            client.send(get(server))
        for each in open_streams:
            each.close()
        assert client.send(get(server)).status == 200
    client.close()


def test_many_threads_share_a_client(client):
    with Scripted(answer(200, b"ok")) as server:
        found = []
        threads = [threading.Thread(target=lambda: found.append(client.send(get(server)).body)) for _ in range(30)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert found == [b"ok"] * 30


def test_a_dead_server_is_refused_quickly_and_found_again_when_it_is_back():
    client, port = Client(limits=SHORT, budget=1), free_port()
    url = f"http://127.0.0.1:{port}/"
    end = time.monotonic() + 20
    while not client.is_broken(url):
        assert time.monotonic() < end
        with pytest.raises(Unreachable):
            client.send(Request("GET", url))
    begun = time.monotonic()
    with pytest.raises(NotTried, match=f"127.0.0.1:{port} has not answered for a while: .*refused"):
        for _ in range(3):
            client.send(Request("GET", url))
    assert time.monotonic() - begun < 1
    client.close()


def test_the_breaker_lets_one_through_after_a_pause_and_all_after_a_success():
    at = [0.0]
    changes: list[bool] = []
    breaker = Breaker("the store", lambda: at[0], changes.append)
    for _ in range(5):
        breaker.enter()
        breaker.failed("it answered 500")
        at[0] += 0.5
    assert breaker.is_open
    with pytest.raises(NotTried, match="the store has not answered for a while: it answered 500"):
        breaker.enter()
    at[0] += 1.0
    breaker.enter()
    with pytest.raises(NotTried):
        breaker.enter()
    breaker.succeeded()
    breaker.enter()
    breaker.enter()
    assert not breaker.is_open
    assert changes == [True, False]


def test_failures_between_successes_do_not_open_the_breaker():
    at = [0.0]
    breaker = Breaker("the store", lambda: at[0])
    for _ in range(50):
        at[0] += 1
        breaker.failed("it answered 503")
        breaker.succeeded()
    breaker.enter()


def test_all_requests_together_have_an_allowance_of_retries():
    allowance = Allowance()
    taken = 0
    while allowance.take():
        taken += 1
    assert taken == 20
    assert Attempts(allowance, 5, 100).pause() is None
    for _ in range(11):
        allowance.earn()
    assert Attempts(allowance, 5, 100).pause() is not None


@pytest.mark.parametrize(("text", "seconds"), [("", 0), ("7", 7), ("soon", 0), ("-3", 0)])
def test_retry_after_is_read(text, seconds):
    assert wanted_pause({"Retry-After": text}) == seconds
    assert wanted_pause({"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}) == 0


def test_tls_is_verified_by_the_file_that_is_named(tmp_path):
    certificate, key = make_certificate(tmp_path, "store")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with Scripted(answer(200, b"secret"), tls=context) as server:
        knowing, unknowing = Client(ca_file=str(certificate), limits=SHORT), Client(limits=SHORT, budget=0)
        assert knowing.send(get(server)).body == b"secret"
        with pytest.raises(Unreachable, match="certificate verify failed"):
            unknowing.send(get(server))


def test_the_guard_is_asked_for_the_address_of_each_name():
    client = Client(guard=public_and(), limits=SHORT)
    with Scripted(answer(200)) as server:
        for host in ("127.0.0.1", "localhost", "[::1]"):
            with pytest.raises(AddressRefused, match="has no address that may be reached"):
                client.send(Request("GET", f"http://{host}:{server.port}/"))
        allowed = Client(guard=public_and([ip_network("127.0.0.0/8")]), limits=SHORT)
        assert allowed.send(get(server)).status == 200


@pytest.mark.parametrize(
    ("address", "may"),
    [
        ("8.8.8.8", True),
        ("2606:4700::1111", True),
        ("10.1.2.3", False),
        ("169.254.169.254", False),
        ("::ffff:127.0.0.1", False),
        ("::ffff:8.8.8.8", True),
        ("2002:7f00:1::", False),
        ("224.0.0.1", False),
        ("0.0.0.0", False),
        ("fd00::1", False),
        ("192.168.7.1", True),
    ],
)
def test_which_addresses_are_public_or_allowed(address, may):
    assert public_and([ip_network("192.168.7.0/24")])(ip_address(address)) is may


def test_an_observer_hears_of_every_attempt():
    class Told(Observer):
        def __init__(self):
            self.heard = []

        def answered(self, method, status, seconds, sent):
            self.heard.append((method, status, sent))

        def failed(self, method):
            self.heard.append((method, None))

        def retried(self):
            self.heard.append("again")

        def received(self, method, count):
            self.heard.append((method, "received", count))

        def broken(self, is_open):
            self.heard.append(is_open)

    told = Told()
    client = Client(limits=SHORT, observer=told)
    with Scripted(cut(), answer(503), answer(200)) as server:
        client.send(Request("PUT", server.url, body=b"12345"))
    assert told.heard == [("PUT", None), "again", ("PUT", 503, 5), "again", ("PUT", 200, 5)]
    with Scripted(answer(200, b"1234")) as server:
        found = client.send(get(server), stream=True)
        found.read(3)
        found.close()
    assert told.heard[5:] == [("GET", 200, 0), ("GET", "received", 3)]
