// Usage: node -r {toolchain}/offline.cjs <program> ...
//
// Preload for every Node program of this folder. The steps need no network, so this makes any attempt to use it fail at
// once with ENETUNREACH (instead of waiting for a time-out in a confined worker) and switches off what the tools would
// do on their own: telemetry and the check for a newer release. It is a safety net inside the process, not a sandbox.
'use strict';

const dns = require('node:dns');
const dgram = require('node:dgram');
const net = require('node:net');

process.env.REDOCLY_TELEMETRY = 'off';
process.env.REDOCLY_SUPPRESS_UPDATE_NOTICE = 'true';
process.env.NO_COLOR = '1';
process.env.NO_UPDATE_NOTIFIER = '1';

function refusal(what) {
  const error = new Error(`network is switched off: ${what}`);
  error.code = 'ENETUNREACH';
  return error;
}

net.Socket.prototype.connect = function connect() {
  process.nextTick(() => this.destroy(refusal('connect')));
  return this;
};
dgram.Socket.prototype.send = function send() {
  throw refusal('datagram');
};
dns.lookup = function lookup(host, options, callback) {
  process.nextTick(typeof options === 'function' ? options : callback, refusal(`look-up of ${host}`));
};
dns.promises.lookup = async (host) => {
  throw refusal(`look-up of ${host}`);
};
globalThis.fetch = async () => {
  throw refusal('fetch');
};
