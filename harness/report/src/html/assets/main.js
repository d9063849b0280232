// Starts when the page is there. What goes wrong is said on the page: a silent report would look like an empty one.
async function wholeLog(index) {
  const outside = await unpack("data-outside");
  const lines = outside.lines.map((line) => [...line, ""]);
  let leftOut = outside.left_out;
  for (let at = 0; at < index.scenarios.length; at += 1) {
    const scenario = index.scenarios[at];
    const found = await details(scenario);
    leftOut += found.log.left_out;
    for (const line of found.log.lines) lines.push([...line, scenario.board || ""]);
  }
  lines.sort((one, other) => one[0] - other[0]);
  return logView(lines, leftOut, "all boards", index.kinds, index.boards);
}

// On paper nobody can open what is closed: the consoles of what did not pass are printed too.
function openForPrint() {
  const closed = [...document.querySelectorAll("details:not([open])")];
  for (const one of closed) one.open = true;
  addEventListener("afterprint", () => closed.forEach((one) => { one.open = false; }), { once: true });
}

async function start() {
  addEventListener("beforeprint", openForPrint);
  const index = await unpack("data-index");
  scenarioList(index);
  const button = document.getElementById("open-log");
  button.hidden = false;
  button.addEventListener("click", async () => {
    button.disabled = true;
    document.getElementById("log-panel").replaceChildren(await wholeLog(index));
    button.hidden = true;
  });
  document.documentElement.dataset.ready = "true";
}

start().catch((error) => {
  document.getElementById("list-count").textContent = `This browser cannot show the details: ${error}`;
});
