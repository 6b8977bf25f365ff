// The openai package for Node against our server; run by server_openai_js.sh in the folder that holds node_modules.
import OpenAI from "openai";

const client = new OpenAI({ baseURL: process.argv[2], apiKey: "none", maxRetries: 0 });
const messages = [{ role: "user", content: "Tell me a story about a fox." }];
let failures = 0;
const check = (name, ok, detail) => {
  console.log(ok ? "ok" : "FAIL", name, ok ? "" : JSON.stringify(detail));
  if (!ok) failures++;
};

const answer = await client.chat.completions.create({ model: "minnow", messages, max_tokens: 16, seed: 3 });
const text = answer.choices[0].message.content;
check("chat", text && answer.usage.completion_tokens === 16, answer);
let streamed = "";
for await (const part of await client.chat.completions.create({ model: "minnow", messages, max_tokens: 16, seed: 3, stream: true }))
  streamed += part.choices[0]?.delta?.content ?? "";
check("stream", streamed === text, streamed);
const stream = await client.chat.completions.create({ model: "minnow", messages, stream: true, ignore_eos: true });
for await (const part of stream) { stream.controller.abort(); break; }
check("completion", (await client.completions.create({ model: "minnow", prompt: "Once", max_tokens: 4 })).usage.completion_tokens === 4);
check("models", (await client.models.list()).data[0].id === "minnow");
const wrong = await client.chat.completions.create({ model: "gpt", messages }).catch((e) => e);
check("unknown model", wrong instanceof OpenAI.NotFoundError, String(wrong));
const bad = await client.chat.completions.create({ model: "minnow", messages, temperature: 9 }).catch((e) => e);
check("bad request", bad instanceof OpenAI.BadRequestError && bad.param === "temperature", String(bad));
const lp = await client.chat.completions.create({ model: "minnow", messages, max_tokens: 3, logprobs: true, top_logprobs: 2 });
check("logprobs", lp.choices[0].logprobs.content.length === 3 && lp.choices[0].logprobs.content[0].top_logprobs.length === 2, lp);
check("a model", (await client.models.retrieve("minnow")).id === "minnow");
process.exit(failures ? 1 : 0);
