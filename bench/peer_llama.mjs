// One round of node-llama-cpp for peer_llama: loads a GGUF, warms up, times a prompt and single tokens, prints one JSON line.
//
//   node peer_llama.mjs PEER_DIR '{"model": ..., "threads": 2, "prompt": 512, "generate": 128, "context": 2048}'
//
// PEER_DIR holds node_modules. The context's own binding is called (initBatch, addToBatch, decodeBatch: one llama_decode),
// the same calls that its public methods make, because these methods offer only two things that would not be fair: single
// tokens without logits, which skip the output matrix, or with a sampler. So nothing is sampled here, as in `shoal bench`.
// Where the binding looks different (another version), tokens are drawn greedily through the public method, and
// "sampling" in the output says so.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [peerDir, optionsText] = process.argv.slice(2);
const options = JSON.parse(optionsText);
const require = createRequire(pathToFileURL(peerDir + "/").href);
const { getLlama } = await import(pathToFileURL(require.resolve("node-llama-cpp")).href);

const started = performance.now();
const llama = await getLlama({ gpu: false, build: "never", maxThreads: options.threads, logLevel: "error" });
const loadStarted = performance.now();
const model = await llama.loadModel({ modelPath: options.model });
const context = await model.createContext({
    contextSize: options.context, batchSize: 512, sequences: 1, threads: options.threads,
});
const loadMs = performance.now() - loadStarted;
const sequence = context.getSequence();
const raw = context._ctx;
const isRaw = raw != null && ["initBatch", "addToBatch", "decodeBatch", "disposeSequence", "setThreads"]
    .every((name) => typeof raw[name] === "function");

// The same ids for every round, such as every vocabulary has; which ones does not matter to the speed.
function makeTokens(n) {
    const tokens = [];
    for (let i = 0, state = 1; i < n; i++) {
        state = (Math.imul(state, 1103515245) + 12345) >>> 0;
        tokens.push((state >>> 8) % 256);
    }
    return tokens;
}

async function pass(tokens, first) {
    raw.initBatch(tokens.length);
    raw.addToBatch(0, first, Uint32Array.from(tokens), Uint32Array.of(tokens.length - 1));
    await raw.decodeBatch();
}

const ways = {
    raw: {
        clear: async () => raw.disposeSequence(0),
        prompt: async (tokens) => {
            for (let i = 0; i < tokens.length; i += 512) await pass(tokens.slice(i, i + 512), i);
        },
        single: async (tokens) => {
            for (let i = 0; i < tokens.length; i++) await pass([tokens[i]], i);
        },
    },
    public: {
        clear: () => sequence.clearHistory(),
        prompt: (tokens) => sequence.evaluateWithoutGeneratingNewTokens(tokens),
        single: async (tokens) => {
            for (const token of tokens)
                await sequence.controlledEvaluate([[token, { generateNext: { token: true, options: { temperature: 0 } } }]]);
        },
    },
};
const way = isRaw ? ways.raw : ways.public;
if (isRaw) raw.setThreads(options.threads);

async function time(fn, tokens) {
    await way.clear();
    const begin = performance.now();
    await fn(tokens);
    return performance.now() - begin;
}

const prompt = makeTokens(options.prompt), single = makeTokens(options.generate);
const result = { load_ms: loadMs, threads: context.currentThreads, sampling: isRaw ? "none" : "greedy" };
result.first_token_ms = await time(way.single, single.slice(0, 1));
if (prompt.length) {
    await time(way.prompt, prompt);
    result.prefill = prompt.length / (await time(way.prompt, prompt)) * 1000;
}
if (single.length) {
    await time(way.single, single.slice(0, 8));
    result.decode = single.length / (await time(way.single, single)) * 1000;
}
result.peak_rss_bytes = Number(/VmHWM:\s+(\d+)/.exec(readFileSync("/proc/self/status", "utf8"))[1]) * 1024;
result.version = JSON.parse(readFileSync(peerDir + "/node_modules/node-llama-cpp/package.json", "utf8")).version;
result.start_ms = loadStarted - started;
console.log(JSON.stringify(result));
process.exit(0);
