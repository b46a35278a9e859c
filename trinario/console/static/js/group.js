/* A group's sheet: who is in it and as what, and what one may do there. The rail's answer is the group as it is now. */

import { rail } from "/js/api.js";
import { sheet, sure } from "/js/acts.js";
import { avatar, el, toast } from "/js/dom.js";
import { people } from "/js/people.js";
import { t } from "/js/words.js";

const path = (id, rest = "") => `groups/${encodeURIComponent(id)}${rest}`;

/** The group with a thread's id, as the account sees it. */
export const groupOf = (account, id) => rail(account.handle, "GET", path(id));

/** Open the sheet; `onChange(group)` hears of every change made there. */
export async function openGroup(account, id, onChange) {
  const body = el("div", { class: "group" });
  const done = async (method, rest, asked) => {
    try {
      show(await rail(account.handle, method, path(id, rest), asked));
    } catch (error) {
      toast(error.message, "bad");
    }
  };
  const show = (group) => {
    body.replaceChildren(...drawn(group, account.handle, done));
    onChange(group);
  };
  try {
    show(await groupOf(account, id));
    sheet(t("group"), body);
  } catch (error) {
    toast(error.message, "bad");
  }
}

function drawn(group, me, done) {
  const isOpen = !group.closed && group.mine;
  const leads = isOpen && group.mine !== "member";
  return [
    leads ? naming(group, done) : el("p", { class: "called" }, group.name),
    group.closed && el("p", { class: "quiet" }, t("groupClosed")),
    group.until_ms > 0 && !group.closed && el("p", { class: "quiet" }, t("groupUntil", { time: new Date(group.until_ms).toLocaleString() })),
    el("ul", { class: "members", "aria-label": t("members") }, group.members.map((member) => row(member, group, me, done))),
    isOpen && adding(done),
    isOpen && ending(me, leads, done),
  ].filter(Boolean);
}

function naming(group, done) {
  const name = el("input", { name: "name", required: true, maxlength: 60, autocomplete: "off", value: group.name });
  const save = (event) => (event.preventDefault(), done("PATCH", "", { name: name.value.trim() }));
  return el("form", { class: "field", onsubmit: save }, el("label", {}, t("name"), name), el("button", { type: "submit" }, t("save")));
}

function row(member, group, me, done) {
  const name = people.called(member.handle);
  const at = `/members/${encodeURIComponent(member.handle)}`;
  const isOther = member.handle !== me && !group.closed;
  const leads = isOther && group.mine && group.mine !== "member" && member.role !== "owner";
  const owns = isOther && group.mine === "owner";
  const act = (word, take) => el("button", { type: "button", "aria-label": `${t(word)}: ${name}`, onclick: take }, t(word));
  const other = member.role === "admin" ? "member" : "admin";
  return el(
    "li",
    {},
    avatar(name),
    el("span", { class: "who", dir: "auto" }, name, member.handle === me && ` (${t("you")})`, el("small", {}, t(`role.${member.role}`))),
    owns && act(`make.${other}`, () => done("PUT", at, { role: other })),
    leads && act("remove", () => done("DELETE", at)),
    leads && act("ban", () => sure(() => done("DELETE", `${at}?ban=1`), t("sureBan", { name }), t("ban"))),
  );
}

function adding(done) {
  const who = el("input", { name: "who", required: true, list: "everybody", autocomplete: "off", placeholder: "instagram:@bob" });
  const add = (event) => (event.preventDefault(), done("POST", "/members", { add: who.value.split(",").map((one) => one.trim()).filter(Boolean) }));
  return el("form", { class: "field", onsubmit: add }, el("label", {}, t("addSomebody"), who), el("button", { type: "submit" }, t("add")));
}

function ending(me, leads, done) {
  const leave = () => done("DELETE", `/members/${encodeURIComponent(me)}`);
  return el(
    "div",
    { class: "actions" },
    el("button", { type: "button", onclick: () => sure(leave, t("sureLeave"), t("leave")) }, t("leave")),
    leads && el("button", { type: "button", onclick: () => sure(() => done("DELETE", ""), t("sureClose"), t("closeGroup")) }, t("closeGroup")),
  );
}
