"""The annotation page: widgets around an `session.Session`. All it decides is how things look."""

import html

import ipywidgets as widgets

from empdis_utils.data import playable
from empdis_utils.data.media import BadMediaError
from empdis_utils.people import session
from empdis_utils.places import ROOT

__all__ = ["Page"]

HERE = ROOT / "notebooks" / "annotate"
# Key names of page.js -> judgment and its button.
ANSWERS = {
    "first": ("empathetic", "Empathetic (1 or E)"),
    "second": ("neutral", "Neutral (2 or N)"),
}
ASKED = {"text": "words", "audio": "sound", "video": "picture, without sound"}
KEYS = """<p class="empdis-keys">Keys: <kbd>1</kbd> or <kbd>E</kbd> empathetic, <kbd>2</kbd> or
<kbd>N</kbd> neutral, <kbd>Space</kbd> play and stop, <kbd>P</kbd> pause, <kbd>Enter</kbd> go
on.</p>"""


class Page:
    """The whole page. `box` is the widget to display, `script` the code it needs."""

    script = (HERE / "page.js").read_text(encoding="utf-8")

    def __init__(self, study):
        self.study, self.session, self._full = study, None, None
        style = widgets.HTML(f"<style>{(HERE / 'page.css').read_text(encoding='utf-8')}</style>")
        self.stage = widgets.VBox()
        self.box = widgets.VBox([style, self.stage])
        self.box.add_class("empdis-annotate")
        self._welcome()

    # ---- parts of a page

    def _show(self, title, *parts):
        """Replace what is on the page; the heading takes the focus (page.js)."""
        old = self.stage.children
        heading = widgets.HTML(f'<h2 tabindex="-1" class="empdis-title">{title}</h2>')
        self.stage.children = [heading, *(_html(p) if isinstance(p, str) else p for p in parts)]
        for widget in old:
            _close(widget)

    def _button(self, text, key, action, primary=False):
        button = widgets.Button(description=text, button_style="primary" if primary else "")
        button.add_class(f"key-{key}")
        button.on_click(lambda _: action())
        return button

    def _buttons(self, *buttons):
        row = widgets.HBox(buttons)
        row.add_class("empdis-buttons")
        return row

    # ---- pages

    def _welcome(self, message="", typed=""):
        self.session = None
        n = len(self.study.sample)
        n_practice = len(session.training_items(self.study.corpus.manifest, self.study.sample))
        practice = (
            f"You begin with {n_practice} clips for practice. Those answers are not kept."
            if n_practice
            else "There is no practice round: no clip is left for it."
        )
        # Sent whole when the field is left. Letter by letter, a click could overtake the last ones.
        name = widgets.Text(
            value=typed,
            description="Pseudonym",
            placeholder="for example: otter-7",
            continuous_update=False,
        )
        name.add_class("empdis-name")
        self._show(
            "Empathetic or neutral?",
            _synthetic(self.study),
            _instructions(n, practice),
            KEYS,
            "<h3>Who are you?</h3><p>Choose a pseudonym: letters, digits, - and _. Please do "
            "<strong>not</strong> use your name. Use the same pseudonym when you come back.</p>",
            _alert(message),
            name,
            self._buttons(self._button("Begin", "go", lambda: self._open(name.value), True)),
        )

    def _open(self, typed):
        try:
            self.session, problems = self.study.session(typed)
        except session.AnnotationError as error:
            return self._welcome(str(error), typed)
        self.note = (
            f"The organiser should look at your file: {problems['line'].nunique()} odd line(s)."
            if len(problems)
            else ""
        )
        if self.session.phase == "instructions":
            self.session.proceed()
        self._next()

    def _next(self, message=""):
        """Show whatever the session is at."""
        phase = self.session.phase
        if phase == "ready":
            self._ready()
        elif phase == "done":
            self._done()
        else:
            self._clip(message)

    def _ready(self):
        done, n = self.session.n_done, self.session.n_clips
        begun = self.session.step == 0  # nothing was practised: answers of an earlier visit
        title = "Welcome back" if begun else "The practice is over"
        text = (
            f"{done} of {n} clips are complete. You continue where you stopped."
            if begun
            else f"Now the {n} clips begin. From here on your answers are kept."
        )
        self._show(
            title,
            f"<p>{text}</p>",
            _alert(self.note),
            KEYS,
            self._buttons(self._button("Continue", "go", self._proceed, True)),
        )

    def _proceed(self):
        self.session.proceed()
        self._next()

    def _clip(self, message="", restart=True):
        task = self.session.task
        try:
            media = self._media(task)
        except BadMediaError as bad:
            self.session.skip(str(bad))
            return self._next("A clip was left out because it cannot be shown.")
        part = "The full clip" if task.round == 2 else f"Only the {ASKED[task.modality]}"
        step = self.session.step
        buttons = [
            self._button(text, key, lambda j=judgment: self._judge(j, step))
            for key, (judgment, text) in ANSWERS.items()
        ]
        self._show(
            f'{part} <span class="empdis-round">{_ordinal(task.round)} answer of 2</span>',
            self._progress(task),
            _alert(message),
            _media_html(media),
            "<p class='empdis-question'>Is the speaker empathetic or neutral?</p>",
            self._buttons(*buttons),
            self._buttons(self._button("Pause (P)", "pause", self._pause)),
        )
        if restart:
            self.session.restart_clock()

    def _media(self, task):
        """What the task shows. The full clip is made ready, and so known to play, in round 1."""
        if self._full is None or self._full[0] != task.clip_id:
            full = session.Task(task.clip_id, task.modality, 2)
            self._full = task.clip_id, self.study.media(full)
        return self._full[1] if task.round == 2 else self.study.media(task)

    def _progress(self, task):
        if task.training:
            return '<p class="empdis-progress">Practice. These answers are not kept.</p>'
        number, n = self.session.n_done + 1, self.session.n_clips
        return (
            f'<p class="empdis-progress"><label>Clip {number} of {n} '
            f'<progress max="{n}" value="{number - 1}"></progress></label></p>'
        )

    def _judge(self, judgment, step):
        try:
            kept = self.session.judge(judgment, step)
        except session.AnnotationError as error:
            return self._show("This page stopped", _alert(str(error)))
        if kept:
            self._next()

    def _pause(self):
        self.session.pause()
        self._show(
            "Pause",
            "<p>The clock is stopped. All answers so far are saved.</p>",
            self._buttons(self._button("Continue", "go", self._resume, True)),
        )

    def _resume(self):
        self.session.resume()
        self._clip(restart=False)

    def _done(self):
        left = len(self.session.skipped)
        note = f"{left} clips could not be shown and were left out." if left else ""
        self._show(
            "Done. Thank you!",
            f"<p>All {self.session.n_clips} clips are complete. You may close this page.</p>",
            _alert(note or self.note),
        )


def _instructions(n, practice):
    text = (HERE / "instructions.html").read_text(encoding="utf-8")
    return text.replace("{n}", str(n)).replace("{practice}", practice)


def _html(text):
    return widgets.HTML(text)


def _close(widget):
    for child in getattr(widget, "children", ()):
        _close(child)
    widget.close()


def _alert(message):
    return f'<p role="alert" class="empdis-alert">{html.escape(message)}</p>' if message else ""


def _ordinal(turn):
    return {1: "first", 2: "second"}[turn]


def _synthetic(study):
    text = "These clips are synthetic: nobody said or filmed them. Use them to try the page."
    return f'<p class="empdis-note">{text}</p>' if study.corpus.synthetic else ""


def _media_html(media):
    """What is shown, as HTML: words are escaped, sound and pictures are part of the page."""
    parts = []
    if "video" in media:
        uri = playable.data_uri(media["video"], "video/mp4")
        parts.append(f'<video controls playsinline aria-label="Clip, video" src="{uri}"></video>')
    if "audio" in media:
        uri = playable.data_uri(media["audio"], "audio/mp4")
        parts.append(f'<audio controls aria-label="Clip, sound" src="{uri}"></audio>')
    if "transcript" in media:
        words = html.escape(media["transcript"]) or "<em>(no words)</em>"
        parts.append(f'<blockquote class="empdis-words">{words}</blockquote>')
    return f'<div class="empdis-media">{"".join(parts)}</div>'
