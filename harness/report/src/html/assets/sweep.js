// A sweep of cut points: a row for each class of flash operation, from the first operation of the start to the last. Points that
// fall into one column are one bar, which is bad when one of them is; bad bars are taller, so that colour is not needed.
const SWEEP_COLUMN = 3;

function sweepMap(sweep, scenario) {
  const width = 960, left = 120, lane = 26;
  const all = [...sweep.points, ...sweep.bad];
  const last = all.reduce((most, point) => Math.max(most, point[1] + 1), sweep.operations);
  const columns = Math.max(Math.min(Math.floor((width - left - 4) / SWEEP_COLUMN), last), 1);
  const wide = (width - left - 4) / columns;
  const bars = new Map();
  const put = ([row, index], bad) => {
    if (row < 0) return;
    const column = Math.min(Math.floor((index / Math.max(last, 1)) * columns), columns - 1);
    const bar = bars.get(row * columns + column) || { row, column, good: 0, bad: 0, from: index, to: index };
    bar[bad ? "bad" : "good"] += 1;
    bar.from = Math.min(bar.from, index);
    bar.to = Math.max(bar.to, index);
    bars.set(row * columns + column, bar);
  };
  for (const point of sweep.points) put(point, false);
  for (const point of sweep.bad) put(point, true);
  const parts = sweep.classes.flatMap((name, row) => [
    draw("rect", { class: "lane", x: left, y: row * lane, width: width - left - 4, height: lane - 4 }),
    draw("text", { class: "soft", x: 4, y: row * lane + 15 }, name)]);
  for (const bar of bars.values()) {
    const high = bar.bad ? lane - 4 : (lane - 4) / 2;
    const where = bar.from === bar.to ? `operation ${bar.from}` : `operations ${bar.from} to ${bar.to}`;
    parts.push(draw("rect", { class: bar.bad ? "fail" : "pass", x: (left + bar.column * wide).toFixed(2), width: Math.max(wide - 0.5, 0.8).toFixed(2),
      y: bar.row * lane + lane - 4 - high, height: high },
      draw("title", {}, `${sweep.classes[bar.row]}, ${where}: ${bar.good} good, ${bar.bad} bad`)));
  }
  const height = sweep.classes.length * lane + 18;
  parts.push(draw("text", { class: "soft", x: left, y: height - 4 }, "operation 0"));
  parts.push(draw("text", { class: "soft", x: width - 4, y: height - 4, "text-anchor": "end" }, `operation ${grouped(Math.max(last - 1, 0))}`));
  const several = all.filter((point) => point[2]).length;
  const words = [`${count(all.length, "cut point", "cut points")} visited${sweep.planned == null ? "" : ` of ${grouped(sweep.planned)}`}`];
  if (sweep.before) words.push(`${grouped(sweep.before)} visited before`);
  if (several) words.push(`${grouped(several)} of them the first of several in a row`);
  words.push(sweep.bad.length ? `${grouped(sweep.bad.length)} bad` : "none bad", `strategy ${sweep.strategy}`, sweep.method);
  const name = words.join("; ");
  const figure = make("figure", {}, make("figcaption", {}, name), picture(width, height, name, ...parts));
  if (sweep.bad.length) {
    // A slice of a night and a part of a sweep are visited again by the name of the sweep.
    const [variant] = scenario.split("#");
    const rows = sweep.bad.map(([, , , cut, problem]) => [make("code", {}, cut), problem, make("code", {}, `dfu-hil run --filter '${variant}' --cut ${cut}`)]);
    figure.append(table("Points that are bad", ["cut", "what came of it", "again"], rows));
  }
  return figure;
}
