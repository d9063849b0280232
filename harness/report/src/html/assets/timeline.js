// The steps of a scenario over time, with what the power supply, the links and the uploads did meanwhile.
function timeline(scenario, found, kinds) {
  const width = 960, left = 120, right = 10, lane = 22;
  const span = Math.max(scenario.took, 1);
  const x = (at) => left + ((at - scenario.start) / span) * (width - left - right);
  const parts = [];
  const rows = found.steps.length;
  const lanes = rows + 2;
  const height = lanes * lane + 30;
  found.steps.forEach((step, row) => {
    const y = row * lane;
    if (row % 2 === 0) parts.push(draw("rect", { class: "lane", x: 0, y, width, height: lane }));
    parts.push(draw("text", { x: 4, y: y + 15 }, `${step.number} ${step.name}`.slice(0, 19)));
    parts.push(draw("rect", { class: step.verdict, x: x(step.start), y: y + 4, width: Math.max((step.took / span) * (width - left - right), 2), height: lane - 8 },
      draw("title", {}, `${step.number} ${step.text}: ${step.verdict}, ${took(step.took)}`)));
  });
  const uploads = rows * lane, marks = (rows + 1) * lane;
  parts.push(draw("text", { class: "soft", x: 4, y: uploads + 15 }, "uploads"));
  for (const upload of found.uploads) {
    const first = upload.points[0][0], last = upload.points[upload.points.length - 1][0];
    parts.push(draw("rect", { class: "rate", x: x(first), y: uploads + 4, width: Math.max(x(last) - x(first), 2), height: lane - 8 },
      draw("title", {}, `${upload.image}, ${grouped(upload.total)} bytes`)));
  }
  parts.push(draw("text", { class: "soft", x: 4, y: marks + 15 }, "power, links"));
  for (const [at, kind, , text] of found.log.lines) {
    if (!["power", "link", "retry"].includes(kinds[kind])) continue;
    parts.push(draw("rect", { class: "changed", x: x(at) - 1, y: marks + 3, width: 3, height: lane - 6 }, draw("title", {}, `${clock(at)} s ${text}`)));
  }
  for (let tick = 0; tick <= 4; tick += 1) {
    const at = scenario.start + (span * tick) / 4;
    parts.push(draw("line", { class: "axis", x1: x(at), x2: x(at), y1: 0, y2: lanes * lane }));
    parts.push(draw("text", { class: "soft", x: x(at), y: height - 10, "text-anchor": tick === 4 ? "end" : tick === 0 ? "start" : "middle" }, took(Math.round(at - scenario.start))));
  }
  return picture(width, height, `Timeline of ${count(rows, "step", "steps")} in ${took(scenario.took)}; the table of steps has the numbers`, ...parts);
}
