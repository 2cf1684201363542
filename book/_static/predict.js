// "Predict first": the options of a box become buttons of a radio group, and the answer opens after a
// choice. Without scripts the options are a list, and the answer is a fold that opens by a click.
(function () {
  "use strict";

  function make(box, number) {
    const list = box.querySelector("ul"), fold = box.querySelector("details");
    const question = list && list.previousElementSibling;
    if (!question || !fold) return;
    question.id = question.id || "predict-question-" + number;

    const form = document.createElement("form");
    const group = document.createElement("div");
    group.setAttribute("role", "radiogroup");
    group.setAttribute("aria-labelledby", question.id);
    for (const item of [...list.children]) {
      const label = document.createElement("label"), radio = document.createElement("input");
      radio.type = "radio";
      radio.name = "predict-" + number;
      radio.required = true;
      const text = document.createElement("span");
      text.append(...item.childNodes);
      label.append(radio, text);
      group.append(label);
    }
    const button = document.createElement("button");
    button.textContent = "This is my guess";
    const said = document.createElement("p");
    said.setAttribute("role", "status");
    form.append(group, button, said);
    list.replaceWith(form);
    fold.hidden = true;

    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const chosen = form.querySelector("input:checked").closest("label");
      said.textContent = "Your guess: " + chosen.textContent.trim() + ". The answer is below.";
      fold.hidden = false;
      fold.open = true;
    });
  }

  document.addEventListener("DOMContentLoaded", () => document.querySelectorAll(".predict").forEach(make));
})();
