// How an upload went: acknowledged bytes over time, and below it the throughput between two points.
function uploadPlot(upload) {
  const width = 620, left = 80, right = 10, top = 8, tall = 120, low = 50, gap = 24;
  const points = upload.points;
  const begin = points[0][0], end = points[points.length - 1][0];
  const span = Math.max(end - begin, 1);
  const x = (at) => left + ((at - begin) / span) * (width - left - right);
  const y = (sent) => top + tall - (sent / Math.max(upload.total, 1)) * tall;
  const rates = points.slice(1).map(([at, sent], place) => {
    const [before, was] = points[place];
    return { from: before, to: at, rate: at > before ? ((sent - was) / (at - before)) : 0 };
  });
  const most = rates.reduce((most, one) => Math.max(most, one.rate), 0);
  const base = top + tall + gap + low;
  const sent = points[points.length - 1][1] - points[0][1];
  const mean = end > begin ? `${(sent / (end - begin)).toFixed(1)} kB/s on average` : "too fast to measure";
  const whole = points[points.length - 1][1] === upload.total ? `${grouped(upload.total)} bytes` : `${grouped(points[points.length - 1][1])} of ${grouped(upload.total)} bytes`;
  const words = `${upload.image}: ${whole} in ${took(end - begin)}, ${mean}`;
  const plot = picture(width, base + 24, words,
    draw("line", { class: "axis", x1: left, x2: width - right, y1: top + tall, y2: top + tall }),
    draw("line", { class: "axis", x1: left, x2: width - right, y1: base, y2: base }),
    draw("text", { class: "soft", x: left - 6, y: top + 10, "text-anchor": "end" }, `${grouped(upload.total)} B`),
    draw("text", { class: "soft", x: left - 6, y: top + tall, "text-anchor": "end" }, "0 B"),
    draw("polyline", { class: "curve", points: points.map(([at, sent]) => `${x(at).toFixed(1)},${y(sent).toFixed(1)}`).join(" ") }),
    draw("text", { class: "soft", x: left - 6, y: base - low + 10, "text-anchor": "end" }, most ? `${most.toFixed(0)} kB/s` : ""),
    ...rates.map((one) => draw("rect", { class: "rate", x: x(one.from), width: Math.max(x(one.to) - x(one.from) - 0.5, 0.5),
      y: base - (most ? (one.rate / most) * low : 0), height: most ? (one.rate / most) * low : 0 })),
    draw("text", { class: "soft", x: left, y: base + 16 }, "0 s"),
    draw("text", { class: "soft", x: width - right, y: base + 16, "text-anchor": "end" }, took(end - begin)));
  return make("figure", {}, make("figcaption", {}, words), plot);
}
