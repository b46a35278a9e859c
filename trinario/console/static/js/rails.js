/* How each rail looks: a line colour, and the way its app shows that a message has got somewhere. */

const LOOKS = {
  whatsapp: { title: "WhatsApp", line: "green", ticks: "checks" },
  messenger: { title: "Messenger", line: "blue", ticks: "circles" },
  instagram: { title: "Instagram", line: "pink", ticks: "words" },
};
const SPARE = ["amber", "teal", "violet", "red"];

export const railOf = (handle) => handle.slice(0, handle.indexOf(":"));
export const addressOf = (handle) => handle.slice(handle.indexOf(":") + 1);

/** The look of a rail; one that nobody has drawn gets a colour of its own. `known`: all rails, in their order. */
export function look(rail, known = []) {
  const spare = { title: rail.charAt(0).toUpperCase() + rail.slice(1), line: SPARE[Math.max(0, known.indexOf(rail)) % SPARE.length] };
  return { ticks: "checks", ...(LOOKS[rail] ?? spare) };
}

/** Rails in the order in which they are shown: those that we have drawn first. */
export function ordered(rails) {
  const known = Object.keys(LOOKS).filter((rail) => rails.includes(rail));
  return [...known, ...rails.filter((rail) => !known.includes(rail))];
}
