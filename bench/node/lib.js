// Flags, calibration and readings of the Node drivers. The flags and the line
// of JSON are those of ../cmd/client (see measure.Result); a driver hands
// main(name, make) its library, where make(clientID) connects and resolves to
// {publish(qos, topic, payload): Promise, close(): Promise}.
'use strict';
const fs = require('fs');

const a = { addr: '', ca: '', work: 'pub', qos: 1, size: 256, window: 100, topics: 1, dur: 300, timeout: 25000, n: 0 };

// parseDuration takes the durations that time.Duration.String writes: 1m30s, 300ms, 1.5s.
function parseDuration(s) {
  const unit = { h: 3600000, m: 60000, s: 1000, ms: 1, 'µs': 1e-3, us: 1e-3, ns: 1e-6 };
  const parts = [...s.matchAll(/([0-9.]+)(ms|µs|us|ns|h|m|s)/g)];
  if (parts.map((p) => p[0]).join('') !== s || parts.length === 0) throw new Error(`bad duration ${JSON.stringify(s)}`);
  return parts.reduce((sum, p) => sum + Number(p[1]) * unit[p[2]], 0);
}

function parseFlags(argv) {
  for (let i = 0; i < argv.length; i += 2) {
    const k = argv[i].replace(/^-+/, ''), v = argv[i + 1];
    if (!(k in a) || v === undefined) throw new Error(`bad flag ${argv[i]}; there are ${Object.keys(a).join(', ')}`);
    a[k] = k === 'dur' || k === 'timeout' ? parseDuration(v) : typeof a[k] === 'number' ? Number(v) : v;
    if (Number.isNaN(a[k])) throw new Error(`-${k} ${v}: want a number`);
  }
  const at = a.addr.lastIndexOf(':');
  if (at < 0) throw new Error('-addr: want host:port');
  if (a.work !== 'pub') throw new Error(`-work ${a.work}: this driver only publishes`);
  return { host: a.addr.slice(0, at), port: Number(a.addr.slice(at + 1)) };
}

const r4 = (x) => Number(x.toPrecision(4));

// engine is the CPU time in ms of the threads named AwsEventLoop*, the C engine
// without Node around it; 0 where there is no /proc. A tick of /proc is 10 ms.
function engine() {
  let ticks = 0;
  try {
    for (const t of fs.readdirSync('/proc/self/task')) {
      const stat = fs.readFileSync(`/proc/self/task/${t}/stat`, 'utf8');
      const name = stat.slice(stat.indexOf('(') + 1, stat.lastIndexOf(')'));
      if (!name.startsWith('AwsEventLoop')) continue;
      const f = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      ticks += Number(f[11]) + Number(f[12]); // utime, stime
    }
  } catch (e) {
    if (e.code !== 'ENOENT') throw e;
  }
  return ticks * 10;
}

function usage() {
  const c = process.resourceUsage();
  return { at: process.hrtime.bigint(), cpu: c.userCPUTime + c.systemCPUTime, engine: engine() };
}

// calibrate finds a count that takes about -dur, by running f; that is the warm-up too.
async function calibrate(f) {
  for (let k = 200; ; k *= 4) {
    const t = process.hrtime.bigint();
    await f(k);
    const took = Number(process.hrtime.bigint() - t) / 1e6;
    if (took > a.dur / 6) return Math.max(100, Math.floor(k * a.dur / took));
  }
}

async function run(name, make) {
  const client = await make('bench');
  const payload = Buffer.alloc(a.size);
  const publish = async (count) => {
    let i = 0;
    const worker = async () => { while (i++ < count) await client.publish(a.qos, 'bench/0', payload); };
    const places = a.qos === 0 ? Math.max(a.window, 1000) : a.window;
    await Promise.all(Array.from({ length: places }, worker));
    if (a.qos === 0) await client.publish(1, 'bench/end', Buffer.alloc(0)); // the broker has read them all
  };
  const n = a.n || await calibrate(publish);
  const from = usage();
  await publish(n);
  const to = usage();
  await client.close();
  return { client: name, work: a.work, qos: a.qos, size: a.size, window: a.window, topics: a.topics, tls: a.ca !== '', n,
    rate: r4(n / (Number(to.at - from.at) / 1e9)), cpu_us: r4((to.cpu - from.cpu) / n), engine_us: r4((to.engine - from.engine) * 1000 / n) };
}

function main(name, make) {
  const fail = (e) => { console.error(`${name}: ${e && e.stack || e}`); process.exit(1); };
  const timer = setTimeout(() => fail('not finished in time'), a.timeout);
  run(name, make).then((r) => { clearTimeout(timer); console.log(JSON.stringify(r)); process.exit(0); }, fail);
}

module.exports = { a, main, parseFlags };
