// Keys of the annotation page, focus on each new heading, and a word when the kernel does not answer.
(() => {
  if (window.empdisKeys) return;
  window.empdisKeys = true;
  const keys = {1: "first", e: "first", 2: "second", n: "second", p: "pause", enter: "go"};
  const page = () => document.querySelector(".empdis-annotate");
  let seen = null, waiting = null;

  function sayLost() {
    const note = document.createElement("p");
    note.setAttribute("role", "alert");
    note.className = "empdis-alert empdis-lost";
    note.textContent = "The page has lost its program. Reload it and use the same pseudonym: your answers are saved.";
    page().prepend(note);
  }

  // Any button leads to a new heading; none for this long means that nobody is listening.
  function expectAnswer() {
    clearTimeout(waiting);
    waiting = setTimeout(sayLost, 5000);
  }

  window.addEventListener("keydown", (event) => {
    const app = page(), target = event.target;
    const here = app && (app.contains(target) || document.body.dataset.voila);
    if (!here || event.repeat || event.ctrlKey || event.altKey || event.metaKey) return;
    const key = event.key.toLowerCase();
    const typing = target.matches("input, textarea, select");
    if (typing ? key !== "enter" : key === "enter" && target.matches("button, a")) return;
    if (key === " ") {
      const media = app.querySelector("video, audio");
      if (!media || target.matches("button, video, audio")) return;
      media.paused ? media.play() : media.pause();
    } else {
      const button = keys[key] && app.querySelector(`button.key-${keys[key]}`);
      if (!button) return;
      if (typing) target.blur(); // sends what was typed before the click
      button.click();
    }
    event.preventDefault();
    event.stopPropagation();
  }, true);

  document.addEventListener("click", (event) => {
    if (event.target.closest(".empdis-annotate button[class*='key-']")) expectAnswer();
  }, true);

  new MutationObserver(() => {
    const heading = page()?.querySelector(".empdis-title");
    if (!heading || heading === seen) return;
    const first = seen === null;
    if (first && document.body.dataset.voila) page().setAttribute("role", "main");
    seen = heading;
    clearTimeout(waiting);
    page().querySelector(".empdis-lost")?.remove();
    if (!first) (page().querySelector(".empdis-alert") && page().querySelector("input") || heading).focus();
  }).observe(document.body, {childList: true, subtree: true});
})();
