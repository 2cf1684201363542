// On every page: the command that reruns it with other parameters, as the fields of its table change.
(function () {
  "use strict";
  const NUMBER = /^[+-]?(\d+|(\d+\.\d*|\.\d+)(e[+-]\d+)?)$/i;  // of YAML 1.1: 5e-6 is a word
  const MEANING = {
    minimum: [(value, end) => value >= end, "at least"], exclusiveMinimum: [(value, end) => value > end, "more than"],
    maximum: [(value, end) => value <= end, "at most"], exclusiveMaximum: [(value, end) => value < end, "less than"],
  };

  // The bibliography names itself a list, but its entries are not list items.
  document.addEventListener("DOMContentLoaded", () => document.querySelectorAll("div.citation-list[role=list]")
    .forEach((list) => list.removeAttribute("role")));

  // Outputs that are wider than the page are marked, and scroll by keyboard, too.
  function markWide() {
    document.querySelectorAll(".cell_output").forEach((output) => {
      const wide = output.querySelector("table") && output.scrollWidth > output.clientWidth + 1;
      output.classList.toggle("scrolls", Boolean(wide));
      const marks = { tabindex: "0", role: "region", "aria-label": "A table that is wider than the page" };
      for (const [name, value] of Object.entries(marks)) {
        if (wide) output.setAttribute(name, value);
        else output.removeAttribute(name);
      }
    });
  }
  window.addEventListener("load", markWide);
  window.addEventListener("resize", markWide);

  // What a word of the command line is to YAML, as far as a value without blanks can be told.
  function read(text) {
    if (/^\[.*\]$/.test(text)) return text.length === 2 ? [] : text.slice(1, -1).split(",").map((part) => read(part.trim()));
    if (text === "{}") return {};
    if (/^(null|~)$/i.test(text)) return null;
    if (/^(true|yes|on)$/i.test(text)) return true;
    if (/^(false|no|off)$/i.test(text)) return false;
    return NUMBER.test(text) ? Number(text) : text;
  }

  const typeOf = (value) => (value === null ? "null" : Array.isArray(value) ? "array" : typeof value);

  // Does a value hold to a JSON Schema, of the words that limits.yaml uses?
  function holds(value, schema) {
    if (schema.anyOf) return schema.anyOf.some((one) => holds(value, one));
    if (schema.enum) return schema.enum.includes(value);
    if ("const" in schema) return schema.const === value;
    const type = typeOf(value);
    const wanted = [schema.type].flat().filter(Boolean);
    const fits = (one) => one === type || (one === "integer" && Number.isInteger(value));
    if (wanted.length && !wanted.some(fits)) return false;
    if (type === "number") return Object.keys(MEANING).every((key) => !(key in schema) || MEANING[key][0](value, schema[key]));
    if (type === "array") {
      return value.length >= (schema.minItems || 0) && value.length <= (schema.maxItems ?? Infinity)
        && value.every((item) => !schema.items || holds(item, schema.items));
    }
    return true;
  }

  // Why a field is refused, as a sentence; empty where it is not.
  function problemOf(field, allowed) {
    const text = field.value.trim();
    if (field.validity.badInput) return "This is no number. Allowed: " + allowed + ".";
    if (!text) return "";
    if (/\s/.test(text) || /["'`$\\]/.test(text)) {
      return field.tagName === "SELECT" ? "The empty value has to stand in a profile, not on the command line."
        : "A value holds no space, quote, dollar sign or backslash on the command line: write such a value into a profile instead.";
    }
    const schema = JSON.parse(field.dataset.limits || "{}");
    if (/^\{.+\}$/.test(text) || holds(read(text), schema)) return "";  // { } is checked by the command
    const hint = schema.type === "number" && /^\d+e-?\d+$/i.test(text) ? " With a point, " + text.replace(/e/i, ".0e") + ", it is a number."
      : (schema.enum || []).includes(text) ? " YAML reads " + text + " as " + read(text) + ": quote it in a profile." : "";
    return text + " is not allowed. Allowed: " + allowed + "." + hint;
  }

  function start(form) {
    const part = (name) => form.querySelector("[data-" + name + "]");
    const command = part("command"), problem = part("problem"), copy = part("copy"), copied = part("copied");
    const made = command.textContent;
    const fields = [...form.querySelectorAll("[data-name]")];

    function check(field) {
      const row = field.closest("tr");
      const said = problemOf(field, row.querySelector("[data-label=allowed]").textContent || "any value");
      row.querySelector(".field-problem").textContent = said;
      if (said) field.setAttribute("aria-invalid", "true");
      else field.removeAttribute("aria-invalid");
      return said ? field.dataset.name : "";
    }

    function update() {
      const refused = fields.map(check).filter(Boolean);
      const why = form.querySelector(".field-problem:not(:empty)");
      const words = fields.filter((field) => field.value.trim()).map((field) => field.dataset.name + "=" + field.value.trim());
      problem.textContent = refused.length
        ? refused.map((name) => "Not allowed: " + name + ". ").join("") + why.textContent + " Until then the command stays as it is." : "";
      copy.disabled = refused.length > 0;
      copied.textContent = "";
      if (!refused.length) command.textContent = words.length ? form.dataset.base + ' P="' + words.join(" ") + '"' : made;
    }

    // Without a clipboard (a page from disk in some browsers) the command is selected, to be copied by hand.
    async function take() {
      try {
        await navigator.clipboard.writeText(command.textContent);
        copied.textContent = "Copied.";
      } catch {
        window.getSelection().selectAllChildren(command);
        copied.textContent = document.execCommand("copy") ? "Copied." : "Selected: copy it with Ctrl+C.";
      }
    }

    copy.hidden = false;
    copy.addEventListener("click", take);
    form.addEventListener("input", update);
  }

  document.addEventListener("DOMContentLoaded", () => document.querySelectorAll(".change").forEach(start));
})();
