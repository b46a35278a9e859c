// Runs the calls of one client by turns and tells, a JSON line each, what became of them.
import fs from "node:fs";

export const rail = JSON.parse(process.env.RAIL); // {url, node, token, secret, verify, person, message}
export const png = fs.readFileSync(process.env.PNG);

export async function tell(call, act) {
  try {
    const answer = (await act()) ?? null;
    console.log(JSON.stringify({ call, answer }));
    return answer;
  } catch (error) {
    const said = error.response?.data ?? error.raw ?? error.cause ?? null;
    console.log(JSON.stringify({ call, failed: `${error.message ?? error} ${JSON.stringify(said)}` }));
    return null;
  }
}
