/* Calls to the console server. Rails' calls go through it: it adds the account's session. */

/** A refusal, in the words of who refused. */
export class Refused extends Error {
  constructor(status, code, message) {
    super(message);
    this.status = status;
    this.code = code;
  }

  /** Whether the same call may go through later. */
  get isPassing() {
    return this.status === 0 || this.status === 502 || this.status === 503 || this.status === 504;
  }
}

/** A call. Answers the JSON there is. Throws `Refused`. */
export async function call(method, path, { body, as } = {}) {
  const headers = { "X-Trinario": "1" };
  if (as) headers["X-As"] = encodeURIComponent(as);
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let answer;
  try {
    answer = await fetch(path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
  } catch (error) {
    throw new Refused(0, "not_reachable_now", error.message);
  }
  const text = await answer.text();
  const value = text ? JSON.parse(text) : {};
  if (answer.ok) return value;
  if (answer.status === 401 && value.error?.code === "unauthorised" && !path.startsWith("/api/rails/")) {
    dispatchEvent(new Event("trinario:logged-out"));
  }
  throw new Refused(answer.status, value.error?.code ?? "failed", value.error?.message ?? answer.statusText);
}

/** Give a file to the rail of an account: what the rail says it is. */
export async function upload(handle, file, name) {
  const headers = { "X-Trinario": "1", "X-As": encodeURIComponent(handle) };
  const path = `/api/rails/${handle.slice(0, handle.indexOf(":"))}/media?name=${encodeURIComponent(name)}`;
  let answer;
  try {
    answer = await fetch(path, { method: "POST", headers, body: file });
  } catch (error) {
    throw new Refused(0, "not_reachable_now", error.message);
  }
  const value = await answer.json();
  if (answer.ok) return value;
  throw new Refused(answer.status, value.error?.code ?? "failed", value.error?.message ?? answer.statusText);
}

/** A call to the rail of an account, as that account. */
export function rail(handle, method, path, body) {
  const name = handle.slice(0, handle.indexOf(":"));
  return call(method, `/api/rails/${name}/${path}`, { body, as: handle });
}
