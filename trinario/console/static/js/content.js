/* What a message shows besides its text: pictures, sound, files, places, cards, polls, offers. Everything is made as
   elements; files come through the console, in ranges. Links are shown as text: nothing is fetched from elsewhere. */

import { el, icon } from "/js/dom.js";
import { t } from "/js/words.js";

const KB = 1024;

/** A message's content as an element, or null. `{handle, onVote}`: whose phone it is (in the inbox the message says so itself),
    and what a vote does. */
export function shown(message, { handle, onVote }) {
  const content = message.content;
  if (!content || message.unsent) return null;
  const make = MAKERS[content.type];
  return make ? el("div", { class: `content ${content.type}` }, make(content, { message, handle: message.handle ?? handle, onVote })) : null;
}

/** What a message is about in a few words, for lists and quotes. */
export function summary(message) {
  if (!message) return "";
  if (message.unsent) return t("takenBack");
  const kind = message.content?.type;
  if (!kind) return message.text;
  if (kind === "poll") return `${t("content.poll")}: ${message.content.question}`;
  return [t(`content.${kind}`), message.text || message.content.name].filter(Boolean).join(": ");
}

const address = (file, handle) => `/api/media/${encodeURIComponent(handle)}/${encodeURIComponent(file.media_id)}`;

function picture(file, { handle }) {
  const source = address(file, handle);
  return el(
    "a",
    { href: source, target: "_blank", rel: "noopener noreferrer", "aria-label": t("openFile", { name: file.name }) },
    el("img", { src: source, alt: file.caption || file.name || t(`content.${file.type}`), loading: "lazy", decoding: "async" }),
  );
}

const film = (file, { handle }) =>
  el("video", { src: address(file, handle), controls: true, preload: "metadata", "aria-label": file.name || t("content.video") });

const sound = (file, { handle }) =>
  el("audio", { src: address(file, handle), controls: true, preload: "metadata", "aria-label": t(`content.${file.type}`) });

function paper(file, { handle }) {
  const size = file.size_bytes < KB * KB ? `${Math.ceil(file.size_bytes / KB)} kB` : `${(file.size_bytes / KB / KB).toFixed(1)} MB`;
  return el(
    "a",
    { class: "paper", href: address(file, handle), download: file.name || "file" },
    icon("file"),
    el("span", { dir: "auto" }, file.name || t("content.document")),
    el("small", {}, size),
  );
}

const album = (content, how) => content.items.map((file) => (MAKERS[file.type] ?? paper)(file, how));

const place = (content) => [
  icon("pin"),
  el("strong", { dir: "auto" }, content.name || t("content.location")),
  content.address && el("span", { dir: "auto" }, content.address),
  el("span", { class: "mono" }, `${content.latitude.toFixed(5)}, ${content.longitude.toFixed(5)}`),
];

const cards = (content) =>
  content.cards.map((card) =>
    el(
      "div",
      { class: "card" },
      icon("person"),
      el("strong", { dir: "auto" }, card.name),
      [...(card.phones ?? []), ...(card.emails ?? []), card.organisation].filter(Boolean).map((line) => el("span", { dir: "auto" }, line)),
    ),
  );

function poll(content, { message, handle, onVote }) {
  const votes = Object.entries(message.votes ?? {});
  const mine = new Set(message.votes?.[handle] ?? []);
  const choose = (place) => {
    const kept = content.several ? [...mine].filter((other) => other !== place) : [];
    onVote(message, mine.has(place) ? kept : [...kept, place].sort((one, other) => one - other));
  };
  return [
    el("strong", { dir: "auto" }, content.question),
    content.options.map((option, place) => {
      const count = votes.filter(([, chosen]) => chosen.includes(place)).length;
      return el(
        "button",
        { type: "button", class: "option", "aria-pressed": String(mine.has(place)), disabled: !onVote, onclick: () => choose(place) },
        el("span", { dir: "auto" }, option),
        el("span", { class: "tally", "aria-label": t("votes", { count }) }, String(count)),
      );
    }),
  ];
}

const offer = (content) => el("ul", {}, content.choices.map((choice) => el("li", { dir: "auto" }, choice.title)));

const MAKERS = {
  image: picture,
  sticker: picture,
  video: film,
  audio: sound,
  voice: sound,
  document: paper,
  album,
  location: place,
  contacts: cards,
  poll,
  like_heart: () => el("span", { class: "heart", role: "img", "aria-label": t("content.like_heart") }, "❤️"),
  interactive: offer,
  template: offer,
};
