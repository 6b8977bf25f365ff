// Greedy text of llama.cpp (the prebuilt one of node-llama-cpp) for FILE and each PROMPT; one JSON line a prompt.
import { getLlama } from "node-llama-cpp";

const [, , count, file, ...prompts] = process.argv;
const llama = await getLlama({ gpu: false, logLevel: "error", build: "never" });
const model = await llama.loadModel({ modelPath: file });
for (const prompt of prompts) {
  const context = await model.createContext({ contextSize: 512, threads: 2 });
  const sequence = context.getSequence();
  const ids = model.tokenize(prompt, true);
  const tokens = [model.tokens.bos, ...ids.filter((id, i) => !(i === 0 && id === model.tokens.bos))];
  const out = [];
  for await (const token of sequence.evaluate(tokens, { temperature: 0 })) {
    out.push(token);
    if (out.length >= Number(count)) break;
  }
  console.log(JSON.stringify({ prompt: tokens, ids: out, text: model.detokenize(out, true) }));
  await context.dispose();
}
process.exit(0);
