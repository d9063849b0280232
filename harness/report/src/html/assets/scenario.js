// The details of one scenario.
function stepsTable(found) {
  const rows = found.steps.map((step) => {
    const seen = make("div", {});
    if (step.cause) seen.append(make("p", { class: "cause" }, step.cause));
    for (const [what, is, expected] of step.evidence || []) {
      seen.append(make("p", {}, expected ? `${what}: ${is}, expected ${expected}` : `${what}: ${is}`));
    }
    const where = step.line ? `${step.text} (line ${step.line})` : step.text;
    return [String(step.number), badge(step.verdict), make("span", {}, make("code", {}, step.name), ` ${where}`), make("span", { class: "keep" }, took(step.took)), seen];
  });
  return table("Steps and the checks that follow them", ["step", "verdict", "what it does", "took", "what was seen"], rows);
}

function scenarioPanel(scenario, found, kinds) {
  const panel = make("div", { class: "panel" });
  if (found.summary) panel.append(make("p", {}, found.summary));
  if (scenario.cause) panel.append(make("p", { class: "cause" }, found.kind ? `${scenario.cause} (${found.kind})` : scenario.cause));
  if (found.help) panel.append(make("p", {}, `Try: ${found.help}`));
  if (found.issue) panel.append(make("p", { class: "note" }, `Known issue: ${found.issue}`));
  (found.earlier || []).forEach((text, at) => panel.append(make("p", {}, `Attempt ${at + 1}: ${text}`)));
  const facts = [];
  if (found.file) facts.push(found.file);
  if (found.firmware) facts.push(`firmware set ${found.firmware}`);
  if (scenario.requirements) facts.push(`requirements ${scenario.requirements.join(", ")}`);
  if (found.retries) facts.push(count(found.retries, "retry", "retries"));
  if (facts.length) panel.append(make("p", {}, facts.join("; ")));
  if (found.steps.length) {
    panel.append(make("h3", {}, "Steps"));
    if (scenario.start != null) panel.append(make("div", { class: "wide" }, timeline(scenario, found, kinds)));
    panel.append(stepsTable(found));
  }
  if (found.uploads.length) {
    panel.append(make("h3", {}, "Uploads"), ...found.uploads.map(uploadPlot));
  }
  if (found.sweeps) {
    panel.append(make("h3", {}, "Cut points"), ...found.sweeps.map((sweep) => sweepMap(sweep, scenario.name.replace(/#.*/, ""))));
  }
  if (found.flash) {
    panel.append(make("h3", {}, "Flash, against what was programmed"), flashMap(found.flash, found.worn || []));
  }
  if (found.log.lines.length) {
    panel.append(make("h3", {}, "Log"), logView(found.log.lines, found.log.left_out, scenario.name, kinds));
  }
  return panel;
}
