// The flash of a board: partitions with their trailers, what held something when it was programmed and what does now, and
// the pages that changed or were erased. These also as tables, since a page may be narrower than a pixel.
function changedRuns(memory) {
  const runs = [];
  for (const page of memory.changed) {
    const last = runs[runs.length - 1];
    const how = !page.programmed ? "blank before" : !page.found ? "blank now" : "other contents";
    if (last && last.end === page.address && last.how === how) {
      last.end += memory.page;
      last.last = page;
    } else {
      runs.push({ start: page.address, end: page.address + memory.page, how, first: page, last: page });
    }
  }
  return runs;
}

function placeOf(memory, run) {
  const touched = memory.partitions.filter((part) => run.start < part.address + part.size && part.address < run.end);
  if (!touched.length) return "no partition";
  return touched.map((part) => {
    const trailer = part.trailer && run.end > part.address + part.size - part.trailer;
    return trailer ? `${part.name}, with its trailer` : part.name;
  }).join("; ");
}

function memoryMap(memory, worn) {
  const width = 960, left = 90, lane = 24;
  const scale = (width - left - 4) / Math.max(memory.size, 1);
  const x = (address) => left + (address - memory.address) * scale;
  const bar = (kind, start, size, y, title) => draw("rect", { class: kind, x: x(start).toFixed(2), y, width: Math.max(size * scale, 1).toFixed(2), height: lane - 6 },
    title ? draw("title", {}, title) : null);
  const end = memory.address + memory.size;
  const erased = worn.filter(([address]) => address >= memory.address && address < end);
  const most = Math.max(1, ...erased.map(([, , times]) => times));
  const parts = ["partitions", "programmed", "at the end", "changed", "erased"].flatMap((text, row) => [
    draw("rect", { class: "lane", x: left, y: row * lane, width: width - left - 4, height: lane - 6 }),
    draw("text", { class: "soft", x: 4, y: row * lane + 14 }, text)]);
  for (const part of memory.partitions) {
    parts.push(bar("slot", part.address, part.size, 0, `${part.name} ${hex(part.address)}, ${grouped(part.size)} bytes`));
    if (part.trailer) {
      const start = part.address + part.size - Math.min(part.trailer, part.size);
      parts.push(draw("rect", { class: "trailer", x: x(start), y: 1, width: Math.max(part.trailer * scale, 2), height: lane - 8 },
        draw("title", {}, `trailer of ${part.name}, ${grouped(part.trailer)} bytes`)));
    }
    const room = part.size * scale;
    if (room > 6.5 * part.name.length) parts.push(draw("text", { x: x(part.address) + 4, y: 13 }, part.name));
  }
  for (const run of memory.programmed) parts.push(bar("old", run.address, run.size, lane));
  for (const run of memory.found) parts.push(bar("old", run.address, run.size, 2 * lane));
  const runs = changedRuns(memory);
  for (const run of runs) parts.push(bar("changed", run.start, run.end - run.start, 3 * lane, `${hex(run.start)}..${hex(run.end)} ${run.how}`));
  for (const [address, size, times] of erased) {
    const run = bar("worn", address, size, 4 * lane, `${hex(address)}..${hex(address + size)} erased ${count(times, "time", "times")}`);
    run.setAttribute("opacity", (0.35 + 0.65 * times / most).toFixed(2));
    parts.push(run);
  }
  const height = 5 * lane + 18;
  parts.push(draw("text", { class: "soft", x: left, y: height - 4 }, hex(memory.address)));
  parts.push(draw("text", { class: "soft", x: width - 4, y: height - 4, "text-anchor": "end" }, hex(memory.address + memory.size)));
  const words = `Flash of the ${memory.memory}: ${count(memory.changed.length, "page", "pages")} of ${grouped(memory.page)} bytes not as programmed`;
  const short = (hash) => (hash ? make("code", {}, `${hash}…`) : "blank");
  const rows = runs.map((run) => {
    const pages = (run.end - run.start) / memory.page;
    const hashes = make("span", {});
    hashes.append("was ", short(run.first.programmed), ", is ", short(run.first.found), pages > 1 ? ` (first of ${grouped(pages)})` : "");
    return [make("code", { class: "keep" }, `${hex(run.start)}..${hex(run.end)}`), placeOf(memory, run), `${count(pages, "page", "pages")}, ${run.how}`, hashes];
  });
  const figure = make("figure", {}, make("figcaption", {}, words), picture(width, height, words, ...parts));
  if (erased.length) {
    const pages = erased.map(([address, size, times]) => [make("code", { class: "keep" }, `${hex(address)}..${hex(address + size)}`), count(size / memory.page, "page", "pages"), count(times, "time", "times")]);
    figure.append(make("details", {}, make("summary", {}, "Erased pages"), table(`Pages of the ${memory.memory} that were erased in this scenario, by the harness and by what ran`, ["addresses", "pages", "erased"], pages)));
  }
  if (rows.length) figure.append(make("details", {}, make("summary", {}, "Changed pages"), table(`Pages of the ${memory.memory} that are not as programmed`, ["addresses", "where", "how", "SHA-256 of the page"], rows)));
  return figure;
}

const flashMap = (flash, worn) => make("div", {}, ...flash.memories.map((memory) => memoryMap(memory, worn)));
