// A log with filters. Lines are shown some hundred at a time: a log can have hundreds of thousands.
const LINES_AT_ONCE = 500;
let logs = 0;

/** `lines` are `[at, kind, core, text]`, with the board as a fifth where there are several. */
function logView(lines, leftOut, whose, kinds, boards) {
  logs += 1;
  const name = `log-${logs}`;
  const present = kinds.map((kind, place) => [kind, place]).filter(([, place]) => lines.some((line) => line[1] === place));
  const boxes = present.map(([kind, place]) => {
    const box = make("input", { type: "checkbox", checked: true, value: place });
    return [place, box, make("label", {}, box, ` ${kind}`)];
  });
  const select = (label, options) => {
    const field = make("select", { name: label.toLowerCase() }, make("option", { value: "" }, "all"), ...options.map((option) => make("option", {}, option)));
    return [field, make("label", {}, `${label} `, field)];
  };
  const [core, coreLabel] = select("Core", ["app", "net"]);
  const [board, boardLabel] = select("Board", boards || []);
  const text = make("input", { type: "search", name: "text", autocomplete: "off" });
  const form = make("form", { class: "filter", role: "search", "aria-label": `Filter of the log of ${whose}` },
    make("fieldset", {}, make("legend", {}, "Kind"), ...boxes.map(([, , label]) => label)),
    coreLabel, boards ? boardLabel : null, make("label", {}, "Text ", text));
  const status = make("p", { role: "status" });
  const list = make("ol", { class: "log", id: name, tabindex: 0, "aria-label": `Log of ${whose}` });
  const more = make("button", { type: "button", "aria-controls": name }, "Show more lines");
  let wanted = [], shown = 0;

  const show = (number) => {
    const part = document.createDocumentFragment();
    const end = Math.min(shown + number, wanted.length);
    for (; shown < end; shown += 1) {
      const [at, kind, onCore, said, onBoard] = wanted[shown];
      part.append(make("li", { class: boards ? "whole" : null }, make("span", { class: "soft" }, clock(at)), make("span", { class: "soft" }, kinds[kind]),
        make("span", { class: "soft" }, onCore), boards ? make("span", { class: "soft" }, onBoard || "") : null, make("span", {}, said)));
    }
    list.append(part);
    more.hidden = shown >= wanted.length;
    const out = leftOut ? `; ${count(leftOut, "earlier line is", "earlier lines are")} only in journal.jsonl` : "";
    status.textContent = `${count(shown, "line", "lines")} shown of ${grouped(wanted.length)} that match, ${grouped(lines.length)} in all${out}`;
  };
  const filter = () => {
    const on = new Set(boxes.filter(([, box]) => box.checked).map(([place]) => place));
    const needle = text.value.toLowerCase();
    wanted = lines.filter(([, kind, onCore, said, onBoard]) => on.has(kind) && (!core.value || onCore === core.value)
      && (!board.value || onBoard === board.value) && (!needle || said.toLowerCase().includes(needle)));
    shown = 0;
    list.replaceChildren();
    show(LINES_AT_ONCE);
  };
  form.addEventListener("input", filter);
  form.addEventListener("submit", (event) => event.preventDefault());
  more.addEventListener("click", () => show(LINES_AT_ONCE));
  filter();
  return make("div", {}, form, status, list, more);
}
