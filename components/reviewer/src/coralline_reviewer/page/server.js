// What the page asks of the server.

/** The server's answer, as JSON; with a message it is a POST. An Error says why there is none. */
export async function ask(path, message) {
  const options = message && {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(message),
  };
  let answer;
  try {
    answer = await fetch(path, options);
  } catch {
    throw new Error("the server does not answer");
  }
  const text = await answer.text();
  if (answer.ok) return JSON.parse(text);
  let error = text.slice(0, 300) || answer.statusText;
  try {
    error = JSON.parse(text).error;
  } catch { /* it is plain text */ }
  throw new Error(error);
}

/** The address of a crop's picture. */
export const picture = (dataset, row) => `api/picture/${dataset}/${row}`;
