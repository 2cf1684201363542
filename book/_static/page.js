// On every page: the command that reruns it with other parameters, as the fields of its table change.
(function () {
  "use strict";
  const SPLIT = /\s/;

  // The bibliography names itself a list, but its entries are not list items.
  document.addEventListener("DOMContentLoaded", () => document.querySelectorAll("div.citation-list[role=list]")
    .forEach((list) => list.removeAttribute("role")));

  document.addEventListener("DOMContentLoaded", () => document.querySelectorAll(".change").forEach((form) => {
    const command = form.querySelector("[data-command]"), problem = form.querySelector("[data-problem]");
    const made = command.textContent;

    form.addEventListener("input", () => {
      const fields = [...form.querySelectorAll("input, select")];
      const filled = fields.filter((field) => field.value.trim());
      const outside = fields.filter((field) => !field.checkValidity());
      const words = filled.map((field) => field.dataset.name + "=" + field.value.trim());
      const bad = words.filter((word) => SPLIT.test(word) || /["'$`\\]/.test(word));
      command.textContent = words.length ? form.dataset.base + ' P="' + words.join(" ") + '"' : made;
      problem.textContent = outside.length
        ? "Not allowed: " + outside.map((field) => field.dataset.name).join(", ") + ". See the column of allowed values."
        : bad.length
        ? "A value holds no space, quote, dollar sign or backslash on the command line: write such a value into a profile instead."
        : "";
    });
  }));
})();
