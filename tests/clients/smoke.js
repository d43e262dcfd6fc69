// What applications do with ioredis, in short. Usage: smoke.js PORT. Prints one line per check.
'use strict';
const assert = require('node:assert/strict');
const Redis = require('ioredis');

const port = Number(process.argv[2]);
const open = [];
const connect = (options = {}) => {
  const client = new Redis({ port, host: '127.0.0.1', commandTimeout: 10000, maxRetriesPerRequest: 1, ...options });
  client.on('error', () => {});
  open.push(client);
  return client;
};

const checks = {
  async strings(r) {
    assert.equal(await r.set('k', 'v', 'EX', 100), 'OK');
    assert.equal(await r.get('k'), 'v');
    assert.equal(await r.get('missing'), null);
    await r.set('b', Buffer.from([0, 255, 13, 10]));
    assert.deepEqual(await r.getBuffer('b'), Buffer.from([0, 255, 13, 10]));
  },
  async collections(r) {
    assert.equal(await r.hset('h', { a: 1, b: 2 }), 2);
    assert.deepEqual(await r.hgetall('h'), { a: '1', b: '2' });
    assert.equal(await r.rpush('l', 1, 2, 3), 3);
    assert.deepEqual(await r.lrange('l', 0, -1), ['1', '2', '3']);
    assert.equal(await r.zadd('z', 1.5, 'a', 2, 'b'), 2);
    assert.deepEqual(await r.zrange('z', 0, -1, 'WITHSCORES'), ['a', '1.5', 'b', '2']);
  },
  async automaticPipelines(r) {
    const auto = connect({ enableAutoPipelining: true });
    await Promise.all(Array.from({ length: 500 }, (_, i) => auto.set(`p:${i}`, i)));
    const values = await Promise.all(Array.from({ length: 500 }, (_, i) => auto.get(`p:${i}`)));
    assert.deepEqual(values, Array.from({ length: 500 }, (_, i) => String(i)));
  },
  async pipelines(r) {
    const replies = await r.pipeline().set('s', 'v').lpush('s', 1).get('s').exec();
    assert.equal(replies[0][1], 'OK');
    assert.match(replies[1][0].message, /WRONGTYPE/);
    assert.equal(replies[2][1], 'v');
  },
  async transactions(r) {
    assert.deepEqual(await r.multi().incr('n').incr('n').get('n').exec(), [[null, 1], [null, 2], [null, '2']]);
    await r.watch('n');
    await connect().set('n', 7);
    assert.equal(await r.multi().set('n', 8).exec(), null);
    await assert.rejects(r.multi().set('n').exec(), /EXECABORT/);
  },
  async publishAndSubscribe(r) {
    const subscriber = connect();
    const messages = [];
    const both = new Promise((resolve) => {
      subscriber.on('message', (channel, text) => messages.push(['message', channel, text]) === 2 && resolve());
      subscriber.on('pmessage', (pattern, channel, text) => messages.push([pattern, channel, text]) === 2 && resolve());
    });
    assert.equal(await subscriber.subscribe('news'), 1);
    assert.equal(await subscriber.psubscribe('n*'), 2);
    assert.equal(await r.publish('news', 'hello'), 2);
    await both;
    assert.deepEqual(messages.sort(), [['message', 'news', 'hello'], ['n*', 'news', 'hello']].sort());
    assert.equal(await subscriber.unsubscribe('news'), 1);
  },
  async blocking(r) {
    setTimeout(() => connect().rpush('q', 'job'), 50);
    assert.deepEqual(await r.blpop('q', 5), ['q', 'job']);
    assert.equal(await r.blpop('q', 0.1), null);
  },
  async iteration(r) {
    const pipeline = r.pipeline();
    for (let i = 0; i < 500; i++) pipeline.set(`scan:${i}`, i);
    await pipeline.exec();
    const seen = new Set();
    for await (const keys of r.scanStream({ match: 'scan:*', count: 17 })) keys.forEach((key) => seen.add(key));
    assert.equal(seen.size, 500);
  },
  async databases(r) {
    const other = connect({ db: 5 });
    await other.set('k5', 1);
    assert.equal(await r.exists('k5'), 0);
    await other.flushdb();
    assert.match(await r.info(), /redis_version:/);
  },
  async scripts(r) {
    r.defineCommand('double', { numberOfKeys: 1, lua: 'return redis.call("INCRBY", KEYS[1], ARGV[1] * 2)' });
    assert.equal(await r.double('n', 4), 8);
  },
  async keyPrefix(r) {
    const prefixed = connect({ keyPrefix: 'app:' });
    await prefixed.set('k', 'v');
    assert.equal(await r.get('app:k'), 'v');
  },
};

(async () => {
  for (const [name, check] of Object.entries(checks)) {
    try {
      const client = connect();
      await client.flushall();
      await check(client);
      console.log('ok', name);
    } catch (error) {
      console.log('FAILED', name, String(error.message).replaceAll('\n', ' ').slice(0, 300));
    } finally {
      open.splice(0).forEach((client) => client.disconnect());
    }
  }
  console.log('ok all done');
})();
