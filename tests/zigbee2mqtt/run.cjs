// Plays a home with the real Zigbee2MQTT against the real gateway; see `run`.

"use strict";

const { spawn, execFileSync } = require("node:child_process");
const fs = require("node:fs");
const net = require("node:net");
const os = require("node:os");
const path = require("node:path");

const { GATEWAY, ZIGBEE2MQTT_DIR } = process.env;
const PATIENCE_MS = 60_000;
const dir = fs.mkdtempSync(path.join(os.tmpdir(), "homecare-z2m-"));
const data = path.join(dir, "zigbee2mqtt");
const socket = path.join(dir, "radio");
const config = path.join(dir, "gateway.toml");
const radio = path.join(__dirname, "radio.cjs");
const running = new Set();

/** A program with its log. */
class Program {
    constructor(name, command, args, env) {
        this.log = "";
        // Zigbee2MQTT builds itself anew where it finds itself within a git repository.
        this.child = spawn(command, args, { cwd: dir, env: { ...process.env, ...env }, stdio: ["ignore", "pipe", "pipe"] });
        this.ended = new Promise((resolve) => this.child.on("exit", resolve));
        for (const pipe of [this.child.stdout, this.child.stderr]) {
            pipe.on("data", (chunk) => { this.log += chunk; fs.appendFileSync(path.join(dir, `${name}.log`), chunk); });
        }
        running.add(this);
    }

    says(text) {
        return until(() => this.log.includes(text), `it says "${text}"`);
    }

    async stop(signal = "SIGTERM") {
        this.child.kill(signal);
        await this.ended;
        running.delete(this);
    }
}

async function until(holds, what) {
    const end = Date.now() + PATIENCE_MS;
    for (;;) {
        const found = await holds();
        if (found) return found;
        if (Date.now() > end) throw new Error(`not within ${PATIENCE_MS / 1000} s: ${what}`);
        await new Promise((resolve) => setTimeout(resolve, 100));
    }
}

function freePort() {
    return new Promise((resolve) => {
        const server = net.createServer().listen(0, "127.0.0.1", () => {
            const { port } = server.address();
            server.close(() => resolve(port));
        });
    });
}

/** Tells the radio what happens at a device. */
function happens(line) {
    return new Promise((resolve, reject) => {
        const connection = net.connect(socket, () => connection.write(`${line}\n`));
        connection.on("data", (answer) => {
            connection.end();
            String(answer).trim() === "ok" ? resolve() : reject(new Error(`radio: ${answer}`));
        });
        connection.on("error", reject);
    });
}

function journal() {
    const text = execFileSync(GATEWAY, ["journal", "dump", "--json", "--data-dir", path.join(dir, "gateway")], { encoding: "utf8", maxBuffer: 1 << 28 });
    return text.split("\n").filter(Boolean).map((line) => JSON.parse(line));
}

function triggers() {
    return journal().map((record) => record.body.trigger).filter(Boolean);
}

const bridgeStarts = () => journal().filter((record) => record.body.observed?.key === "state" && record.body.observed.value === "online").length;

function check(right, what) {
    if (!right) throw new Error(`WRONG: ${what}`);
    console.log(`ok  ${what}`);
}

const startGateway = async () => {
    const gateway = new Program("gateway", GATEWAY, ["run", "--config", config]);
    await gateway.says("ready");
    return gateway;
};

const startBridge = async () => {
    fs.rmSync(socket, { force: true });
    const env = { NODE_OPTIONS: `--require ${radio}`, RADIO_SOCKET: socket, ZIGBEE2MQTT_DATA: data, ZIGBEE2MQTT_DIR };
    const bridge = new Program("zigbee2mqtt", process.execPath, [path.join(ZIGBEE2MQTT_DIR, "index.js")], env);
    await bridge.says("Zigbee2MQTT started!");
    return bridge;
};

async function main() {
    const [mqtt, status] = [await freePort(), await freePort()];
    fs.writeFileSync(config, `
gateway = "home-z2m"
data_dir = "${dir}/gateway"
[centre]
paths = ["http://127.0.0.1:9"]
token = "0123456789abcdef0123456789abcdef"
[mqtt]
listen = "127.0.0.1:${mqtt}"
[[mqtt.client]]
name = "zigbee2mqtt"
password = "a-password-of-the-test"
publish = ["zigbee2mqtt/#"]
subscribe = ["zigbee2mqtt/#"]
[status]
listen = "127.0.0.1:${status}"
[[device]]
name = "button"
role = "sos"
room = "bedroom"
[[device]]
name = "cord"
role = "sos"
room = "bathroom"
[[device]]
name = "smoke"
role = "smoke"
room = "kitchen"
`, { mode: 0o600 });
    fs.mkdirSync(data);
    const snippet = execFileSync(GATEWAY, ["snippets", "zigbee2mqtt", "--config", config], { encoding: "utf8" });
    const names = { button: 1, cord: 2, smoke: 3 };
    const devices = Object.entries(names).map(([name, n]) => `  '0x00124b000000000${n}':\n    friendly_name: ${name}\n`).join("");
    fs.writeFileSync(path.join(data, "configuration.yaml"), `version: 5\n${snippet}
serial:\n  port: /dev/null\n  adapter: ember\nfrontend:\n  enabled: false\ndevices:\n${devices}`);
    fs.writeFileSync(path.join(data, "database.db"), execFileSync(process.execPath, [radio], { encoding: "utf8", env: { ...process.env, ZIGBEE2MQTT_DIR } }));

    let gateway = await startGateway();
    let bridge = await startBridge();
    check(!bridge.log.includes("error"), "Zigbee2MQTT accepts the settings of `gateway snippets zigbee2mqtt`");
    await until(() => journal().filter((record) => record.body.device_listed).length >= 3, "the bridge's list is learned");

    await happens("press");
    await happens("pull");
    await happens("smoke");
    let raised = (await until(() => triggers().length >= 3 && triggers(), "press, cord and smoke raise")).length;
    check(raised === 3, "a press, a pulled cord and smoke raise three times");
    await happens("release");
    await happens("pull");
    raised = (await until(() => triggers().length >= 4 && triggers(), "the cord pulled again")).length;
    check(raised === 4, "the cord let go and pulled again raises again, within two minutes of the bridge's start");

    await happens("battery 40");
    await until(() => journal().some((record) => record.body.observed?.kind === "battery" && record.body.observed.device === "cord" && record.body.observed.value.percent === 40), "the battery is heard");
    check(triggers().length === raised, "a battery report of the pulled cord raises nothing");

    for (const [what, restart] of [
        ["Zigbee2MQTT restarts in order", async () => { await bridge.stop(); bridge = await startBridge(); }],
        ["the gateway restarts", async () => { await gateway.stop(); gateway = await startGateway(); await until(() => bridge.log.split("Connected to MQTT server").length >= 2, "it is connected again"); }],
        ["the gateway is killed", async () => { await gateway.stop("SIGKILL"); gateway = await startGateway(); }],
        ["Zigbee2MQTT is killed", async () => { await bridge.stop("SIGKILL"); bridge = await startBridge(); }],
        ["both restart, the bridge first", async () => { await bridge.stop(); await gateway.stop(); gateway = await startGateway(); bridge = await startBridge(); }],
    ]) {
        const before = triggers().length;
        await restart();
        await until(async () => (await connected(status)) !== "", "the gateway answers");
        // A press until one is heard: the bridge may still be on its way back to the broker.
        const heard = await until(async () => {
            await happens("press");
            await new Promise((resolve) => setTimeout(resolve, 500));
            const all = triggers();
            return all.length > before && all;
        }, "a press is heard after the restart");
        const others = heard.slice(before).filter((trigger) => trigger.device !== "button");
        check(others.length === 0, `${what}: nothing is raised but the press that came after it`);
    }
    check(bridgeStarts() >= 3, "each start of the bridge was seen");

    const join = new Program("permit-join", GATEWAY, ["permit-join", "--secs", "100", "--config", config]);
    await join.says("open for 100 s");
    await happens("join");
    await join.says("ready: 0x00124b0000000004");
    await join.says('role = "sos"');
    await join.stop("SIGINT");
    check(join.log.includes("1 device(s) joined"), "permit-join opens the real bridge's network and shows the new button");
    const before = triggers().length;
    await happens("press spare");
    const spare = (await until(() => triggers().length > before && triggers(), "the new button raises")).at(-1);
    check(spare.device === "0x00124b0000000004" && spare.reason === "unregistered_device", "the button that just joined raises, unregistered");

    const advice = execFileSync(GATEWAY, ["check", "--live", "--config", config], { encoding: "utf8" });
    check(!/QoS 0|filtered_cache|availability is off/.test(advice) && advice.includes("0x00124b0000000004"), "check --live finds the settings good and the new button unconfigured");
    await bridge.stop();
    await gateway.stop();
    console.log("all of it holds with the real Zigbee2MQTT");
}

async function connected(status) {
    try {
        return await (await fetch(`http://127.0.0.1:${status}/healthz`)).text();
    } catch {
        return "";
    }
}

main()
    .then(() => fs.rmSync(dir, { recursive: true }))
    .catch(async (error) => {
        console.error(`${error.message}\nlogs: ${dir}`);
        process.exitCode = 1;
    })
    .finally(async () => {
        for (const program of running) await program.stop("SIGKILL");
    });
