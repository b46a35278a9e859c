/* Who there is: accounts this page can act as (sessions of the data folder), and everybody the federation knows. */

import { call } from "/js/api.js";
import { el } from "/js/dom.js";
import { live } from "/js/live.js";
import { look, ordered, railOf } from "/js/rails.js";
import { t } from "/js/words.js";

class People {
  rails = [];
  accounts = []; // {handle, rail, name, state}
  persons = []; // {person, name, accounts: [{handle, state}]}; empty while the bus is away

  /** Read it all. */
  async load() {
    const { rails, accounts } = await call("GET", "/api/accounts");
    this.rails = ordered(rails);
    this.accounts = accounts;
    await this.loadPersons();
  }

  async loadPersons() {
    try {
      this.persons = (await call("GET", "/api/people")).people.sort((one, other) => one.name.localeCompare(other.name));
    } catch (error) {
      if (error.status === 401) throw error;
      this.persons = [];
    }
    this.#tell();
  }

  on(rail) {
    return this.accounts.filter((account) => account.rail === rail);
  }

  name(handle) {
    return this.accounts.find((account) => account.handle === handle)?.name;
  }

  /** What to call whoever has a handle. */
  called(handle) {
    return this.personOf(handle)?.name ?? this.name(handle) ?? handle.slice(handle.indexOf(":") + 1);
  }

  /** The person behind a handle, if the federation knows them. */
  personOf(handle) {
    return this.persons.find((person) => person.accounts.some((account) => account.handle === handle));
  }

  async register(handle, name) {
    const made = await call("POST", "/api/accounts", { body: { handle, name } });
    this.accounts.push(made);
    this.#tell();
    return made;
  }

  #tell() {
    options.replaceChildren(
      ...this.persons.flatMap((person) =>
        person.accounts.map((account) => el("option", { value: account.handle }, `${person.name} · ${look(railOf(account.handle)).title}`)),
      ),
    );
    dispatchEvent(new Event("trinario:people"));
  }
}

/** Everybody's handles, for fields that ask for one. */
export const options = el("datalist", { id: "everybody" });

export const people = new People();
live.addEventListener("people", () => people.load().catch(() => {}));

/** Ask for an address and a name, and make that account. Resolves with it, or null. */
export function askForAccount(rail) {
  const examples = { whatsapp: "+39 333 444 5555", messenger: "carla.verdi", instagram: "@carla" };
  const address = el("input", { required: true, name: "address", autocomplete: "off", placeholder: examples[rail] ?? "name" });
  const name = el("input", { required: true, name: "name", autocomplete: "off", maxlength: 60 });
  const trouble = el("p", { class: "trouble", role: "alert" });
  return new Promise((resolve) => {
    let made = null;
    const dialog = el(
      "dialog",
      { class: "sheet", "aria-label": t("newAccount"), onclose: () => (dialog.remove(), resolve(made)) },
      el("header", {}, el("h2", {}, t("newAccountOn", { rail: look(rail).title }))),
      el(
        "form",
        {
          onsubmit: async (event) => {
            event.preventDefault();
            try {
              made = await people.register(`${rail}:${address.value.trim()}`, name.value.trim());
              dialog.close();
            } catch (error) {
              trouble.textContent = error.message;
            }
          },
        },
        el("label", {}, t("address"), address),
        el("label", {}, t("name"), name),
        trouble,
        el("div", { class: "actions" }, el("button", { type: "button", onclick: () => dialog.close() }, t("cancel")), el("button", { type: "submit", class: "primary" }, t("register"))),
      ),
    );
    document.body.append(dialog);
    dialog.showModal();
  });
}
