/* The page's words in English, Italian and French. */

import en from "/words/en.js";
import fr from "/words/fr.js";
import it from "/words/it.js";

export const LANGUAGES = { en: "English", it: "Italiano", fr: "Français" };
const DICTIONARIES = { en, it, fr };

export const language = chosen();
document.documentElement.lang = language;

function chosen() {
  const wanted = [localStorage.getItem("language"), ...navigator.languages.map((tag) => tag.slice(0, 2))];
  return wanted.find((one) => one in DICTIONARIES) ?? "en";
}

/** The words of a key; `{name}` in them is replaced. A key without words is shown as it is. */
export function t(key, values = {}) {
  const words = DICTIONARIES[language][key] ?? en[key] ?? key;
  return words.replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
}

/** Another language from now on. */
export function choose(code) {
  localStorage.setItem("language", code);
  location.reload();
}

const tag = navigator.languages.find((one) => one.startsWith(language)) ?? language; // en-GB has another clock than en-US
const clock = new Intl.DateTimeFormat(tag, { hour: "2-digit", minute: "2-digit" });
const exact = new Intl.DateTimeFormat(tag, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const dayName = new Intl.DateTimeFormat(tag, { weekday: "long", day: "numeric", month: "long" });
const shortDay = new Intl.DateTimeFormat(tag, { day: "numeric", month: "short" });

export const time = (atMs) => clock.format(atMs);
export const exactTime = (atMs) => exact.format(atMs);

/** "Today", "Yesterday", or the day. */
export function day(atMs) {
  const days = daysAgo(atMs);
  return days === 0 ? t("today") : days === 1 ? t("yesterday") : dayName.format(atMs);
}

/** A time today, a day otherwise. */
export const when = (atMs) => (daysAgo(atMs) === 0 ? time(atMs) : shortDay.format(atMs));

export const dayNumber = (atMs) => {
  const date = new Date(atMs);
  return Math.floor(Date.UTC(date.getFullYear(), date.getMonth(), date.getDate()) / 86_400_000);
};

const daysAgo = (atMs) => dayNumber(Date.now()) - dayNumber(atMs);
