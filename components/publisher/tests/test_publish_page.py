"""What a run leaves for people and machines to read."""

import base64
import json
import re
from html.parser import HTMLParser

import pytest
import yaml
from coralline_core.progress import Progress
from coralline_publisher.summary import Summary

EVIL = "<script>alert(1)</script>"
RESOURCES = {"src", "href", "srcset", "action", "data", "poster", "background", "formaction"}


class Page(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags, self.resources, self.text = [], [], ""
        self.untitled = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.tags.append(tag)
        self.resources += [value for name, value in attributes if name in RESOURCES]
        if tag == "img" and not given.get("alt"):
            self.untitled.append(given)
        assert not [name for name in given if name.startswith("on")]

    def handle_data(self, data):
        self.text += data


@pytest.fixture
def page_of():
    def read(made):
        text = (made.published / "report.html").read_text()
        return text, Page(text)

    return read


def test_the_page_needs_nothing_else_and_runs_nothing(make, page_of):
    made = make(wrong=(1,))
    made.publish()
    text, page = page_of(made)
    assert page.resources
    assert all(source.startswith("data:image/") for source in page.resources)
    assert not {"script", "link", "iframe", "object", "embed", "base"} & set(page.tags)
    style = text[text.index("<style>") : text.index("</style>")]
    assert "url(" not in style
    assert "@import" not in style
    assert not page.untitled


def test_what_was_crawled_is_text_and_nothing_more(make, page_of):
    made = make(labels=(EVIL, 'none|of "them"'))
    made.publish()
    text, page = page_of(made)
    assert EVIL not in text
    assert EVIL in page.text
    assert "https://example.org/a.jpg?x=<b>&y=1" in page.text
    assert "javascript:alert(1)" in page.text
    card = (made.published / "model" / "README.md").read_text()
    assert EVIL not in card
    assert "none\\|of" in card


def test_the_page_says_what_was_done_and_decided(make, page_of):
    make("first", wrong=range(3), weights=b"first").publish()
    made = make("second", wrong=(1,))
    report = made.publish()
    _, page = page_of(made)
    assert report.decision[1:] in page.text
    for said in (
        "Published",
        "http-404",
        "no-face",
        "two-labels",
        "Photos under two labels 3",
        "https://copy.example/1",
        '"min_accuracy": 0.8',
        "a hat",
        "openverse",
        "97.5%",
        "edgetpu_compiler is not installed",
        "MEAN",
        "model_int8_vela.tflite",
        "1 min 50 s",
        report.version,
        "+5.0 points",
    ):
        assert said in page.text
    assert page.text.count("predicted") >= 2
    kinds = [source.partition(";")[0] for source in page.resources]
    assert kinds.count("data:image/svg+xml") == 3  # accuracy, loss, the interval
    assert kinds.count("data:image/jpeg") == 2 * 6 + 2 * 3 + 1  # Grad-CAM, samples, no crop


def test_the_same_run_gives_the_same_page(make):
    texts = []
    for name in ("one", "two"):
        made = make(name, wrong=range(20))
        made.publish()
        text = (made.published / "report.html").read_text()
        texts.append(re.sub(r"<tr><th scope=\"row\">publish</th>.*", "", text))
    assert texts[0] == texts[1]


def test_the_summary_is_what_machines_expect(make):
    made = make(wrong=(1,))
    report = made.publish()
    summary = Summary.read(made.published / "summary.json").model_dump(mode="json")
    assert summary["images"] == {
        "crawled": 74,
        "fetched": 68,
        "kept": 51,
        "rejected": {
            "duplicate": 4,
            "http-404": 3,
            "no-face": 9,
            "too-small": 2,
            "two-labels": 6,
        },
    }
    assert summary["test"]["int8"]["accuracy"] == 39 / 40
    assert summary["test"]["int8"]["n"] == 40
    assert summary["targets"] == [
        {
            "name": "edgetpu",
            "compiled": False,
            "mapped_share": 0.9,
            "reasons": ["edgetpu_compiler is not installed"],
        }
    ]
    assert [gate["key"] for gate in summary["gates"]] == [
        "convert.min_agreement",
        "compile.edgetpu",
        "publish.min_accuracy",
        "store",
    ]
    steps = ("crawl", "curate", "crop", "train", "convert", "compile", "publish")
    assert tuple(summary["seconds"]) == steps
    assert summary["published"] is True
    assert summary["version"] == report.version
    assert summary["model"] == "model"


def test_the_card_has_front_matter_and_the_numbers(make):
    made = make(wrong=(1,))
    made.publish()
    _, front, card = (made.published / "model" / "README.md").read_text().split("---\n", 2)
    matter = yaml.safe_load(front)
    assert matter["pipeline_tag"] == "image-classification"
    assert matter["model-index"][0]["results"][0]["metrics"][0]["value"] == 0.975
    assert "| int8 | 97.5% | 87.1% to 99.6% |" in card
    assert "by\\|sa 4.0" in card
    assert made.inputs().crops.id in card
    compile(re.search(r"```python\n(.*?)```", card, re.DOTALL)[1], "card", "exec")


@pytest.mark.parametrize(
    ("epochs", "said", "line"),
    [
        ({"head": 1, "all": 2}, "1 epoch of the head alone, then 2 epochs of the whole", True),
        ({"head": 0, "all": 1}, "parameters. 1 epoch of the whole network, stopped early.", False),
        ({"head": 3, "all": 0}, "parameters. 3 epochs of the head alone, stopped early.", False),
    ],
)
def test_the_training_is_told_as_it_went(make, page_of, epochs, said, line):
    made = make()
    made.change("train", epochs=epochs)
    path = made.folder / "model" / "history.json"
    epoch = json.loads(path.read_text())[0]
    ran = [(phase, n) for phase, count in epochs.items() for n in range(1, count + 1)]
    path.write_text(json.dumps([epoch | {"phase": phase, "epoch": n} for phase, n in ran]))
    made.publish()
    _, page = page_of(made)
    assert said in page.text
    assert ("dotted line" in page.text) is line
    curves = [
        base64.b64decode(uri.partition(",")[2]).decode()
        for uri in page.resources
        if uri.startswith("data:image/svg")
    ]
    assert [curve.count('id="xtick_') for curve in curves] == [len(ran)] * 2


def test_a_model_with_one_answer_is_published_with_a_warning(make, page_of):
    made = make(wrong=range(1, 40, 2))  # "none" is called "hat"
    heard = []
    report = made.publish(progress=Progress("publish", heard.append), min_accuracy=0.5)
    assert report.published
    assert report.decision.endswith("; the model says 'hat' of every test crop")
    warnings = [event.message for event in heard if event.event == "warning"]
    assert warnings == ["the int8 model says 'hat' of every test crop: it has learnt nothing"]
    assert "The int8 model says hat of every test crop" in page_of(made)[1].text


def test_photos_under_two_labels_are_counted_as_above(make, page_of):
    made = make()
    made.publish()
    assert "3 photos, found 6 times (two-labels above counts each" in page_of(made)[1].text


def test_every_file_is_described(make, page_of):
    made = make()
    made.change("compile", targets=[])
    (made.folder / "model" / "saved_model").mkdir()
    (made.folder / "model" / "saved_model" / "saved_model.pb").touch()
    for name in (
        *("model_int8_edgetpu.tflite", "edgetpu.log"),
        *("model_int8_vela_ethos-u55-256.tflite", "vela_ethos-u55-256.log"),
    ):
        (made.folder / "compiled" / name).touch()
    made.publish()
    text, page = page_of(made)
    assert "compiled for an Ethos-U, by Vela" in page.text
    files = text[text.index("<h2>Files") : text.index("<h2>Time")]
    assert "saved_<wbr>model.<wbr>pb" in files
    assert "<td></td>" not in files


def test_a_key_breaks_after_a_dot_or_an_underscore_only(make, page_of):
    made = make()
    made.publish()
    text, page = page_of(made)
    assert "publish.<wbr>min_<wbr>accuracy</code>" in text
    assert "publish.min_accuracy" in page.text
    assert text.count("<table") == text.count('<div class="wide"')
