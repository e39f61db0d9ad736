"use strict";
const at = (id) => document.getElementById(id);
let turns = [];
let under = null;

function headers() {
  const key = at("key").value.trim();
  const given = { "Content-Type": "application/json" };
  if (key) given.Authorization = "Bearer " + key;
  return given;
}

async function list() {
  const answer = await fetch("/v1/models", { headers: headers() });
  const found = await answer.json();
  if (!answer.ok) {
    at("state").textContent = found.error.message;
    return;
  }
  at("state").textContent = "";
  at("model").replaceChildren(...found.data.map((model) => new Option(model.id, model.id)));
}

function show(role, content) {
  const turn = document.createElement("div");
  const who = document.createElement("h2");
  const said = document.createElement("p");
  turn.className = "turn " + role;
  who.textContent = role === "user" ? "You" : at("model").value;
  said.textContent = content;
  turn.append(who, said);
  at("turns").append(turn);
  return said;
}

async function* events(answer) {
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const parts = (rest + value).split("\n\n");
    rest = parts.pop();
    for (const part of parts) {
      const data = part.slice("data: ".length);
      if (data === "[DONE]") return;
      yield JSON.parse(data);
    }
  }
}

async function ask(text) {
  const system = at("system").value.trim();
  turns.push({ role: "user", content: text });
  show("user", text);
  const body = {
    model: at("model").value,
    messages: system ? [{ role: "system", content: system }, ...turns] : turns,
    temperature: Number(at("temperature").value),
    stream: true,
  };
  if (at("tokens").value) body.max_tokens = Number(at("tokens").value);
  under = new AbortController();
  const answer = await fetch("/v1/chat/completions", {
    method: "POST",
    headers: headers(),
    body: JSON.stringify(body),
    signal: under.signal,
  });
  if (!answer.ok) throw new Error((await answer.json()).error.message);
  const said = show("assistant", "");
  try {
    for await (const piece of events(answer)) {
      if (piece.error) throw new Error(piece.error.message);
      said.textContent += piece.choices[0]?.delta.content ?? "";
    }
  } finally {
    turns.push({ role: "assistant", content: said.textContent });
  }
}

at("ask").addEventListener("submit", async (event) => {
  event.preventDefault();
  const text = at("text").value;
  if (!text.trim()) return;
  at("text").value = "";
  at("send").disabled = true;
  at("stop").disabled = false;
  at("state").textContent = "writing";
  try {
    await ask(text);
    at("state").textContent = "";
  } catch (error) {
    at("state").textContent = error.name === "AbortError" ? "stopped" : error.message;
  }
  at("send").disabled = false;
  at("stop").disabled = true;
  at("text").focus();
});
at("stop").addEventListener("click", () => under?.abort());
at("again").addEventListener("click", () => {
  under?.abort();
  turns = [];
  at("turns").replaceChildren();
});
at("key").addEventListener("change", list);
list();
