"""What a server takes at a time, and from whom."""

import http.client
import socket
import threading
from urllib.parse import urlsplit

import pytest
import requests
import tried
from tried import picture

from pipeline.try_it.model import Model

LIMIT = 2**20


def connect(address):
    parts = urlsplit(address)
    return socket.create_connection((parts.hostname, parts.port), timeout=30)


def begin(address, length):
    """A request whose body has begun, and is to be `length` bytes."""
    held = connect(address)
    host = urlsplit(address).netloc
    head = f"POST /classify HTTP/1.1\r\nHost: {host}\r\nContent-Length: {length}\r\n\r\n"
    held.sendall(head.encode() + b"\x89")
    return held


def answer_on(held):
    response = http.client.HTTPResponse(held)
    response.begin()
    return response, response.read().decode()


@pytest.mark.parametrize("path", ["/classify", "/v1/models/fruit:predict"])
@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_that_is_too_large_is_refused_however_it_is_sent(server, path, chunked):
    def chunks():
        for _ in range(LIMIT // 2**16 + 2):
            yield bytes(2**16)

    data = chunks() if chunked else bytes(LIMIT + 1)
    response = requests.post(server + path, data=data)
    assert response.status_code == 413
    assert "the body is larger than 1 MB" in response.json()["error"]


def test_a_large_body_is_refused_before_it_is_sent(server):
    with begin(server, LIMIT + 1) as held:
        response, said = answer_on(held)
        assert response.status == 413 and "larger than 1 MB" in said


def test_a_body_of_the_very_limit_is_read(server):
    padded = picture() + bytes(LIMIT - len(picture()))
    assert requests.post(f"{server}/classify", data=padded).status_code == 200


def test_a_body_that_does_not_come_is_not_waited_for(model):
    with tried.serving(model, read_seconds=0.2, max_concurrency=1) as address:
        with begin(address, 1000) as held:
            response, said = answer_on(held)
            assert response.status == 408 and "did not come within 0.2 seconds" in said
        assert requests.post(f"{address}/classify", data=picture()).status_code == 200


def test_more_requests_than_places_are_answered_at_once_and_come_again(model):
    file = picture()
    with tried.serving(model, max_concurrency=1) as address:
        with begin(address, len(file)) as held:
            response = tried.ask_until(address, 503)  # The first has its place then.
            assert response.headers["retry-after"] == "1"
            assert "too many requests at once" in response.json()["error"]
            assert requests.get(f"{address}/healthz").text == "ok"
            held.sendall(file[1:])
            assert answer_on(held)[0].status == 200
        assert requests.post(f"{address}/classify", data=file).status_code == 200


def test_who_breaks_off_leaves_the_place(model):
    with tried.serving(model, max_concurrency=1) as address:
        for _ in range(3):
            begin(address, 1000).close()
        tried.ask_until(address, 200)


class Held(Model):
    """Answers when it is let."""

    def classify(self, file, top):
        self.asked.set()
        assert self.go.wait(60)
        return super().classify(file, top)


def test_the_model_s_work_does_not_hold_up_the_server(model):
    held = Held.__new__(Held)
    held.__dict__.update(model.__dict__)
    held.asked, held.go = threading.Event(), threading.Event()
    answers = []

    def ask(address):
        answers.append(requests.post(f"{address}/classify", data=picture()).status_code)

    with tried.serving(held) as address:
        thread = threading.Thread(target=ask, args=(address,))
        thread.start()
        assert held.asked.wait(60)
        assert requests.get(f"{address}/healthz", timeout=30).text == "ok"
        assert not answers
        held.go.set()
        thread.join()
    assert answers == [200]


def test_many_at_once_are_all_answered_rightly(server, model):
    files = [picture(seed=seed) for seed in range(4)]
    expected = [model.classify(file, 3)["top"] for file in files]
    got = {}

    def ask(number):
        got[number] = requests.post(f"{server}/classify", data=files[number]).json()["top"]

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number, top in enumerate(expected):
        assert [one["label"] for one in got[number]] == [one["label"] for one in top]
        scores = [one["score"] for one in top]
        assert [one["score"] for one in got[number]] == pytest.approx(scores, abs=1e-6)


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", ""])
def test_a_name_that_is_not_this_machine_s_is_refused(server, host):
    response = requests.get(server, headers={"Host": host})
    assert response.status_code == 400 and "fruit" not in response.text


def test_no_other_page_may_read_or_frame_what_is_answered(server):
    asked = {"Origin": "https://evil.example"}
    for response in (
        requests.get(server, headers=asked),
        requests.post(f"{server}/classify", data=picture(), headers=asked),
        requests.options(f"{server}/classify", headers=asked),
    ):
        assert "access-control-allow-origin" not in response.headers
        policy = response.headers["content-security-policy"]
        assert policy.startswith("default-src 'none';") and "frame-ancestors 'none'" in policy
        assert response.headers["x-content-type-options"] == "nosniff"


def test_an_unreadable_picture_is_one_sentence(server):
    response = requests.post(f"{server}/classify", data=b"no picture")
    assert response.status_code == 400
    assert response.json() == {"error": "The file is a text, no picture."}
