// Unpacks the data of the page: Base64, gzip, JSON. A chunk is unpacked when it is first asked for, and the last few are kept.
const KEPT_CHUNKS = 8;
const chunks = new Map();

async function unpack(id) {
  const text = document.getElementById(id).textContent;
  const bytes = Uint8Array.from(atob(text.trim()), (c) => c.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return JSON.parse(await new Response(stream).text());
}

function chunk(number) {
  let asked = chunks.get(number);
  chunks.delete(number);
  asked ||= unpack(`data-${number}`);
  chunks.set(number, asked);
  if (chunks.size > KEPT_CHUNKS) chunks.delete(chunks.keys().next().value);
  return asked;
}

/** The details of a scenario of the list. */
const details = async (scenario) => (await chunk(scenario.chunk))[scenario.place];
