// The list of scenarios: filtered, ordered, and shown some hundred at a time.
const ROWS_AT_ONCE = 200;
const RANK = { fail: 0, error: 1, skip: 2, pass: 3 };

function matches(scenario, text, verdict, board) {
  if (verdict === "flaky") { if (!scenario.flaky) return false; } else if (verdict === "bad" ? !["fail", "error"].includes(scenario.verdict) : verdict && scenario.verdict !== verdict) return false;
  if (board && scenario.board !== board) return false;
  if (!text) return true;
  return [scenario.name, scenario.cause || "", ...(scenario.requirements || [])].some((one) => one.toLowerCase().includes(text));
}

const ORDERS = {
  "": (one, other) => RANK[one.verdict] - RANK[other.verdict],
  time: () => 0,
  name: (one, other) => (one.name < other.name ? -1 : one.name > other.name ? 1 : 0),
  took: (one, other) => other.took - one.took,
};

function scenarioRow(scenario, number, kinds) {
  const id = `scenario-${number}`;
  const button = make("button", { type: "button", class: "open", "aria-expanded": "false", "aria-controls": id }, scenario.name);
  const row = make("tr", {},
    make("td", {}, badge(scenario.verdict), scenario.flaky ? " flaky" : null), make("th", { scope: "row" }, button), make("td", {}, scenario.board || ""),
    make("td", { class: "right" }, scenario.start == null ? "" : `${clock(scenario.start)} s`), make("td", { class: "right" }, took(scenario.took)),
    make("td", {}, scenario.cause || ""));
  const cell = make("td", { colspan: 6 });
  const below = make("tr", { class: "details", id, hidden: true }, cell);
  const open = async (wanted) => {
    if (wanted && !cell.firstChild) cell.append(scenarioPanel(scenario, await details(scenario), kinds));
    below.hidden = !wanted;
    if (!wanted) cell.replaceChildren();
    button.setAttribute("aria-expanded", String(wanted));
  };
  button.addEventListener("click", () => open(below.hidden));
  return { rows: [row, below], open };
}

function scenarioList(index) {
  const form = document.getElementById("list-filter");
  const status = document.getElementById("list-count");
  const body = make("tbody", {});
  const heads = ["verdict", "scenario", "board", "began", "took", "cause"];
  const more = make("button", { type: "button" }, "Show more scenarios");
  const all = make("button", { type: "button" }, "Open all that are shown");
  document.getElementById("list").append(
    make("p", {}, all),
    make("div", { class: "wide" }, make("table", {}, make("thead", {}, make("tr", {}, ...heads.map((text, at) =>
      make("th", { scope: "col", class: at === 3 || at === 4 ? "right" : null }, text)))), body)),
    make("p", {}, more));
  let wanted = [], made = [];

  const show = (number) => {
    const part = document.createDocumentFragment();
    const end = Math.min(made.length + number, wanted.length);
    while (made.length < end) {
      const row = scenarioRow(wanted[made.length], made.length, index.kinds);
      made.push(row);
      part.append(...row.rows);
    }
    body.append(part);
    more.hidden = made.length >= wanted.length;
    status.textContent = `${count(made.length, "scenario", "scenarios")} shown of ${grouped(wanted.length)} that match, ${grouped(index.scenarios.length)} in all`;
  };
  const filter = () => {
    const text = form.elements.text.value.trim().toLowerCase();
    const { verdict, board, order } = form.elements;
    wanted = index.scenarios.filter((scenario) => matches(scenario, text, verdict.value, board.value));
    wanted.sort(ORDERS[order.value]);
    made = [];
    body.replaceChildren();
    show(ROWS_AT_ONCE);
  };
  form.addEventListener("input", filter);
  form.addEventListener("submit", (event) => event.preventDefault());
  more.addEventListener("click", () => show(ROWS_AT_ONCE));
  all.addEventListener("click", async () => {
    for (const row of [...made]) await row.open(true);
  });
  form.hidden = false;
  filter();
}
