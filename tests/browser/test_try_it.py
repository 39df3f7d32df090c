"""The page of `graft serve` in a real browser: with mouse, keyboard, phone, and bad luck."""

import base64
import itertools
import socket
import threading
from urllib.parse import urlsplit

import pytest
import tried
from axe_playwright_python.sync_playwright import Axe
from tried import LABELS, picture

from components.harmless import harmless
from pipeline.try_it.chosen import Chosen
from pipeline.try_it.model import Model

pytestmark = pytest.mark.slow

PHOTO = {"name": "photo.png", "mimeType": "image/png", "buffer": picture()}
# As a drop or a paste gives it: the browser's own event, with a file in it.
GIVE = """([event, name, kind, content]) => {
  const bytes = Uint8Array.from(atob(content), (c) => c.charCodeAt(0));
  const data = new DataTransfer();
  if (name) data.items.add(new File([bytes], name, { type: kind }));
  else data.setData('text/plain', 'words');
  const made = event === 'paste'
    ? new ClipboardEvent('paste', { clipboardData: data, bubbles: true })
    : new DragEvent(event, { dataTransfer: data, bubbles: true, cancelable: true });
  document.body.dispatchEvent(made);
  return made.defaultPrevented;
}"""


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tried.export_model(tmp_path_factory.mktemp("tried"))
    return Model(Chosen("fruit", "7", folder, ""))


@pytest.fixture(scope="module")
def server(model):
    with tried.serving(model) as address:
        yield address


@pytest.fixture
def opened(page, server):
    """The page, watched: it asks nobody but its server, and has nothing to complain of."""
    said, asked = [], []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("dialog", lambda dialog: (said.append("a dialog"), dialog.dismiss()))
    page.on("request", lambda request: asked.append(request.url))
    page.on("filechooser", lambda chooser: None)  # from now on, or a quick key comes before it
    page.goto(server)
    yield page
    assert not said
    assert all(url.startswith((server, "data:", f"blob:{server}")) for url in asked), asked


@pytest.fixture
def unlucky(page, server):
    """The page, where a browser may log that a request was refused."""
    page.goto(server)
    return page


def give(page, event, name="photo.png", kind="image/png", content=None):
    held = base64.b64encode(picture() if content is None else content).decode()
    return page.evaluate(GIVE, [event, name, kind, held])


def answer(page):
    """The labels and scores that the page shows, and checks that both pictures are there."""
    page.locator("#classes li").first.wait_for()
    page.wait_for_function("[...document.images].every((i) => i.complete && i.naturalWidth)")
    rows = page.locator("#classes li")
    return rows.locator("bdi").all_inner_texts(), rows.locator(".score").all_inner_texts()


def trouble(page, text):
    page.locator("#trouble", has_text=text).wait_for()
    assert page.locator("#trouble").get_attribute("role") == "alert"
    assert not page.locator("#result").is_visible() and not page.locator("#verdict").inner_text()


def check_answer(page, model):
    labels, scores = answer(page)
    expected = model.classify(picture(), 3)["top"]
    assert labels == [harmless(one["label"]) for one in expected]
    assert scores[0] == f"{100 * expected[0]['score']:.1f} %"
    said = page.locator("#verdict")
    assert said.get_attribute("role") == "status"
    assert said.inner_text() == f"Most likely {labels[0]} {scores[0]}"
    assert page.get_by_alt_text("as the model sees it").evaluate("i => i.naturalWidth") == 24
    assert page.get_by_alt_text("that you gave").evaluate("i => i.naturalWidth") == 60


def test_a_picture_is_chosen(opened, model):
    with opened.expect_file_chooser() as chooser:
        opened.get_by_role("button", name="Choose a picture").click()
    chooser.value.set_files(PHOTO)
    check_answer(opened, model)
    assert opened.locator("#name").inner_text() == "photo.png"
    assert "Version 7 tells 3 classes apart, on 24\u00a0×\u00a024 pixels" in opened.inner_text(
        "header"
    )


def test_a_picture_is_dropped(opened, model):
    assert give(opened, "dragover") and opened.locator("html.over").count() == 1
    assert give(opened, "drop") and opened.locator("html.over").count() == 0
    check_answer(opened, model)


def test_a_picture_is_pasted(opened, model):
    give(opened, "paste")
    check_answer(opened, model)


def test_the_same_picture_can_be_chosen_again_after_another(opened, model):
    field = opened.locator("#file")
    for number, seed in enumerate((0, 1, 0)):
        file = {**PHOTO, "name": f"{number}.png", "buffer": picture(seed=seed)}
        field.set_input_files(file)
        opened.locator("#name", has_text=f"{number}.png").wait_for()
        assert field.input_value() == ""  # or the browser would see no change
    check_answer(opened, model)


def test_names_of_classes_and_files_are_text(opened):
    name = "<img src=x onerror=alert(1)>\u202e.png"
    opened.locator("#file").set_input_files({**PHOTO, "name": name})
    labels, _ = answer(opened)
    assert sorted(labels) == sorted(map(harmless, LABELS))
    assert opened.locator("#name").inner_text() == harmless(name)
    assert opened.locator("#classes script, #classes bdi *, #name *").count() == 0
    # The text beside a label runs as ever, whichever way the label does.
    places = opened.locator("#classes li").evaluate_all(
        "all => all.map(e => [e.children[0].getBoundingClientRect().left,"
        " e.children[1].getBoundingClientRect().left])"
    )
    assert all(label < score for label, score in places)


@pytest.mark.parametrize("key", ["Enter", "Space"])
def test_the_keyboard_is_enough_and_shows_where_it_is(opened, model, key):
    opened.keyboard.press("Tab")
    button = opened.get_by_role("button", name="Choose a picture")
    assert button.evaluate("e => e === document.activeElement")
    assert button.evaluate("e => getComputedStyle(e).outlineStyle") == "solid"
    with opened.expect_file_chooser() as chooser:
        opened.keyboard.press(key)
    chooser.value.set_files(PHOTO)
    check_answer(opened, model)
    assert button.evaluate("e => e === document.activeElement")


def test_a_phone_has_room_and_its_camera(browser, server, model):
    phone = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
    with browser.new_context(**phone) as context:
        page = context.new_page()
        page.on("filechooser", lambda chooser: None)
        page.goto(server)
        for _ in range(2):  # before and after the answer
            assert page.evaluate("document.documentElement.scrollWidth") <= 390
            for button in page.get_by_role("button").all():
                box = button.bounding_box()
                assert box["height"] >= 44 and box["x"] >= 0 and box["x"] + box["width"] <= 390
            with page.expect_file_chooser() as chooser:
                page.get_by_role("button", name="Take a photo").tap()
            camera = chooser.value.element
            assert camera.get_attribute("capture") == "environment"
            chooser.value.set_files(PHOTO)
            check_answer(page, model)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_rule_of_accessibility_is_broken(browser, server, scheme):
    for width in (1280, 390):
        size = {"width": width, "height": 800}
        with browser.new_context(color_scheme=scheme, viewport=size, bypass_csp=True) as context:
            page = context.new_page()
            page.goto(server)
            check_rules(page)
            page.locator("#file").set_input_files(PHOTO)
            answer(page)
            check_rules(page)
            page.locator("#file").set_input_files({**PHOTO, "buffer": b"text"})
            trouble(page, "The file is a text, no picture.")
            check_rules(page)


def check_rules(page):
    found = Axe().run(page).response["violations"]
    grave = [each for each in found if each["impact"] in ("serious", "critical")]
    assert not grave, [(each["id"], [n["html"] for n in each["nodes"]]) for each in grave]


def test_what_the_browser_cannot_show_is_left_out(opened):
    tiff = {"name": "scan.tiff", "mimeType": "image/tiff", "buffer": picture("TIFF")}
    opened.locator("#file").set_input_files(tiff)
    opened.locator("#classes li").first.wait_for()
    opened.get_by_alt_text("that you gave").wait_for(state="hidden")
    assert opened.get_by_alt_text("as the model sees it").is_visible()


def test_what_is_no_picture_is_said_and_forgotten_at_the_next(unlucky, model):
    give(unlucky, "drop", name="notes.txt", kind="text/plain", content=b"some words")
    trouble(unlucky, "The file is a text, no picture.")
    give(unlucky, "drop", name="")
    trouble(unlucky, "That is no picture file.")
    give(unlucky, "paste", name="")
    trouble(unlucky, "There is no picture in the clipboard.")
    give(unlucky, "drop")
    check_answer(unlucky, model)
    assert not unlucky.locator("#trouble").inner_text()


def test_a_file_that_is_too_large_is_not_sent(opened):
    asked = []
    opened.on("request", lambda request: asked.append(request.url))
    give(opened, "drop", content=picture() + bytes(2 * 2**20))
    trouble(opened, "The file has 2.0 MB; up to 1.0 MB are taken.")
    assert not asked


def test_a_folder_is_no_picture(opened):
    opened.evaluate(
        "take([{ size: 1, name: 'folder', arrayBuffer: () => Promise.reject(new Error()) }])"
    )
    trouble(opened, "The file cannot be read. Give one picture; a folder is none.")


def test_a_lost_server_is_said(page, model):
    with tried.serving(model) as address:
        page.goto(address)
    give(page, "drop")
    trouble(page, "The server does not answer. Is “graft serve” still running?")


def test_a_busy_server_is_said(page, model):
    with tried.serving(model, max_concurrency=1) as address:
        page.goto(address)
        with busy(address):
            give(page, "drop")
            trouble(page, "The server is busy. Try again in a moment.")


def busy(address):
    """Holds the server's one place, by a body that does not end."""
    parts = urlsplit(address)
    held = socket.create_connection((parts.hostname, parts.port))
    head = f"POST /classify HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Length: 9\r\n\r\n"
    held.sendall(head.encode())
    tried.ask_until(address, 503)
    return held


class InTurn(Model):
    """Answers the first question after the second."""

    def classify(self, file, top):
        if next(self.count) == 0:
            assert self.second.wait(60)
        answer = super().classify(file, top)
        self.second.set()
        return answer


def test_the_answer_to_an_earlier_picture_does_not_come_over_a_later_one(page, model):
    slow = InTurn.__new__(InTurn)
    slow.__dict__.update(model.__dict__, count=itertools.count(), second=threading.Event())
    with tried.serving(slow) as address:
        page.goto(address)
        with page.expect_response("**/classify") as first:
            give(page, "drop", name="first.png")
            give(page, "drop", name="second.png", content=picture(seed=1))
            page.locator("#name", has_text="second.png").wait_for()
        first.value.finished()
        page.wait_for_load_state("networkidle")
        assert page.locator("#name").inner_text() == "second.png"
