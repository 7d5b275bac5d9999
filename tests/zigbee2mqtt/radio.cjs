// A pretend Zigbee radio for the real Zigbee2MQTT: loaded with `node --require`, it takes the place of
// zigbee-herdsman's adapter. Everything above the adapter, from frames to MQTT, is the real program's own.
//
// It listens on the Unix socket $RADIO_SOCKET for lines: press | pull | release | smoke | clear | battery N | join.

"use strict";

const net = require("node:net");
const path = require("node:path");
const { createRequire } = require("node:module");

const from = createRequire(path.join(process.env.ZIGBEE2MQTT_DIR, "index.js"));
const herdsman = path.dirname(from.resolve("zigbee-herdsman"));
const { Adapter } = require(path.join(herdsman, "adapter", "adapter.js"));
const Zcl = require(path.join(herdsman, "zspec", "zcl"));
const Zdo = require(path.join(herdsman, "zspec", "zdo"));

const COORDINATOR = "0x00124b0000000000";
const IAS_ZONE = 0x0500;
const IAS_ACE = 0x0501;
const POWER = 0x0001;

/** Devices of the home by address; the last one joins on demand. */
const DEVICES = {
    button: { nwk: 0x1001, ieee: "0x00124b0000000001", model: "TS0215A", maker: "_TZ3000_4fsgukof" },
    cord: { nwk: 0x1002, ieee: "0x00124b0000000002", model: "FNB56-SOS03FB1.5", maker: "feibit" },
    smoke: { nwk: 0x1003, ieee: "0x00124b0000000003", model: "SMOK_V16", maker: "heiman" },
    spare: { nwk: 0x1004, ieee: "0x00124b0000000004", model: "TS0215A", maker: "_TZ3000_4fsgukof" },
};

class PretendRadio extends Adapter {
    sequence = 1;

    constructor(...options) {
        super(...options);
        this.hasZdoMessageOverhead = false;
    }

    async start() {
        const socket = process.env.RADIO_SOCKET;
        this.server = net.createServer((connection) => {
            let text = "";
            connection.on("data", (chunk) => {
                text += chunk;
                const lines = text.split("\n");
                text = lines.pop();
                for (const line of lines) connection.write(`${this.obey(line.trim())}\n`);
            });
        });
        await new Promise((resolve) => this.server.listen(socket, resolve));
        return "resumed";
    }

    async stop() {
        await new Promise((resolve) => this.server.close(resolve));
    }

    obey(line) {
        const [what, number] = line.split(" ");
        switch (what) {
            case "press":
                return this.hear(DEVICES[number ?? "button"], IAS_ACE, "emergency", {}, Zcl.Direction.CLIENT_TO_SERVER);
            case "pull":
                return this.zone(DEVICES.cord, 1 << 1);
            case "release":
                return this.zone(DEVICES.cord, 0);
            case "smoke":
                return this.zone(DEVICES.smoke, 1);
            case "clear":
                return this.zone(DEVICES.smoke, 0);
            case "battery":
                return this.report(DEVICES.cord, POWER, 0x0021, Zcl.DataType.UINT8, Number(number) * 2);
            case "join": {
                const { nwk, ieee } = DEVICES.spare;
                this.emit("deviceJoined", { networkAddress: nwk, ieeeAddr: ieee });
                return "ok";
            }
            default:
                return `unknown: ${line}`;
        }
    }

    zone(device, zonestatus) {
        const said = { zonestatus, extendedstatus: 0, zoneID: 0, delay: 0 };
        return this.hear(device, IAS_ZONE, "statusChangeNotification", said, Zcl.Direction.SERVER_TO_CLIENT);
    }

    hear(device, cluster, command, payload, direction) {
        const frame = Zcl.Frame.create(
            Zcl.FrameType.SPECIFIC, direction, true, undefined, this.next(), command, cluster, payload, {},
        );
        return this.emitFrame(device, cluster, frame);
    }

    report(device, cluster, attrId, dataType, attrData) {
        const frame = Zcl.Frame.create(
            Zcl.FrameType.GLOBAL, Zcl.Direction.SERVER_TO_CLIENT, true, undefined, this.next(), "report", cluster,
            [{ attrId, dataType, attrData }], {},
        );
        return this.emitFrame(device, cluster, frame);
    }

    emitFrame(device, clusterID, frame) {
        this.emit("zclPayload", this.payload(device.nwk, clusterID, frame));
        return "ok";
    }

    payload(address, clusterID, frame) {
        const data = frame.toBuffer();
        return {
            clusterID, address, data, header: Zcl.Header.fromBuffer(data), endpoint: 1, linkquality: 120, groupID: 0,
            wasBroadcast: false, destinationEndpoint: 1,
        };
    }

    next() {
        this.sequence = (this.sequence % 250) + 1;
        return this.sequence;
    }

    async getCoordinatorIEEE() {
        return COORDINATOR;
    }

    async getCoordinatorVersion() {
        return { type: "pretend", meta: { revision: 1 } };
    }

    async getNetworkParameters() {
        const { panID, channelList } = this.networkOptions;
        return { panID, channel: channelList[0], extendedPanID: "0xdddddddddddddddd", nwkUpdateID: 0 };
    }

    async supportsBackup() {
        return false;
    }

    async permitJoin() {}

    async sendZdo(_ieee, nwk, cluster, _payload, silent) {
        if (silent) return undefined;
        const device = Object.values(DEVICES).find((device) => device.nwk === nwk);
        switch (cluster) {
            case Zdo.ClusterId.NODE_DESCRIPTOR_REQUEST:
                return [Zdo.Status.SUCCESS, { nwkAddress: nwk, logicalType: 2, manufacturerCode: 0x1002, capabilities: { alternatePANCoordinator: 0, deviceType: 0, powerSource: 0, rxOnWhenIdle: 0, reserved1: 0, reserved2: 0, securityCapability: 0, allocateAddress: 1 }, serverMask: { stackComplianceRevision: 22 } }];
            case Zdo.ClusterId.ACTIVE_ENDPOINTS_REQUEST:
                return [Zdo.Status.SUCCESS, { nwkAddress: nwk, endpointList: [1] }];
            case Zdo.ClusterId.SIMPLE_DESCRIPTOR_REQUEST:
                return [Zdo.Status.SUCCESS, { nwkAddress: nwk, length: 0, endpoint: 1, profileId: 260, deviceId: device ? 0x0401 : 5, deviceVersion: 1, inClusterList: device ? [0, POWER] : [], outClusterList: device ? [IAS_ACE] : [] }];
            default:
                return [Zdo.Status.SUCCESS, undefined];
        }
    }

    async sendZclFrameToEndpoint(_ieee, nwk, _endpoint, frame, _timeout, disableResponse) {
        const device = Object.values(DEVICES).find((device) => device.nwk === nwk);
        const known = { 0: 3, 4: device?.maker, 5: device?.model, 7: 3 };
        if (frame.command?.name === "read" && frame.cluster.name === "genBasic" && device) {
            const answer = frame.payload.map(({ attrId }) =>
                known[attrId] === undefined
                    ? { attrId, status: Zcl.Status.UNSUPPORTED_ATTRIBUTE }
                    : { attrId, status: 0, dataType: typeof known[attrId] === "string" ? Zcl.DataType.CHAR_STR : attrId === 7 ? Zcl.DataType.ENUM8 : Zcl.DataType.UINT8, attrData: known[attrId] },
            );
            const said = Zcl.Frame.create(
                Zcl.FrameType.GLOBAL, Zcl.Direction.SERVER_TO_CLIENT, true, undefined,
                frame.header.transactionSequenceNumber, "readRsp", 0, answer, {},
            );
            return this.payload(nwk, 0, said);
        }
        if (disableResponse) return undefined;
        throw new Error("the device sleeps");
    }

    async sendZclFrameToGroup() {}

    async sendZclFrameToAll() {}

    async addInstallCode() {}

    async reset() {}

    waitFor() {
        return { promise: new Promise(() => {}), cancel: () => {} };
    }
}

Adapter.create = async (...options) => new PretendRadio(...options);

/** The database of a home whose devices joined long ago, one JSON line each. */
function database() {
    const endpoint = (profId, devId, inClusterList, outClusterList) => ({
        1: { profId, epId: 1, devId, inClusterList, outClusterList, clusters: {}, binds: [], configuredReportings: [], meta: {} },
    });
    const joined = ["button", "cord", "smoke"].map((name, index) => {
        const { nwk, ieee, model, maker } = DEVICES[name];
        return {
            id: index + 2, type: "EndDevice", ieeeAddr: ieee, nwkAddr: nwk, manufId: 4098, manufName: maker, powerSource: "Battery",
            modelId: model, epList: [1], endpoints: endpoint(260, 1026, [0, POWER, IAS_ZONE], [IAS_ACE]), zclVersion: 3,
            interviewCompleted: true, interviewState: "SUCCESSFUL", meta: {}, lastSeen: null,
        };
    });
    const coordinator = {
        id: 1, type: "Coordinator", ieeeAddr: COORDINATOR, nwkAddr: 0, manufId: 0, epList: [1],
        endpoints: endpoint(260, 5, [], []), interviewCompleted: true, interviewState: "SUCCESSFUL", meta: {},
    };
    return [coordinator, ...joined].map((entry) => JSON.stringify(entry)).join("\n");
}

if (require.main === module) console.log(database());
