// What a codec finds before its first line: a clock that stands still, UTC, Buffer, console, and built-ins that one
// uplink cannot change for the next. Evaluated once in each context; its value is the driver that Rust calls.
(function (fileName, mostOutput) {
  'use strict';
  var G = globalThis;
  var RealDate = Date;
  var defineProperty = Object.defineProperty;
  var describe = Object.getOwnPropertyDescriptor;
  var ownKeys = Reflect.ownKeys;
  var prototypeOf = Object.getPrototypeOf;
  var apply = Reflect.apply;
  var construct = Reflect.construct;
  var stringify = JSON.stringify;
  var parse = JSON.parse;
  var isArray = Array.isArray;
  var ObjectPrototype = Object.prototype;
  var now = 0;

  function put(target, name, value) {
    defineProperty(target, name, { value: value, writable: true, enumerable: false, configurable: true });
  }

  // --- The clock: recvTime and nothing else; local time is UTC. ---

  var local = {};
  ['getFullYear', 'getMonth', 'getDate', 'getHours', 'getMinutes', 'getSeconds', 'getMilliseconds'].forEach(function (name) {
    local[name] = RealDate.prototype[name];
  });

  function parseAsUtc(text) {
    text = String(text);
    var time = RealDate.parse(text);
    if (time !== time || /(?:Z|GMT|UTC|[+-]\d\d:?\d\d)\s*(?:\(.*\))?\s*$/i.test(text) || /^\s*[+-]?\d{4,6}(?:-\d\d){0,2}\s*$/.test(text)) {
      return time;
    }
    var utc = RealDate.parse(text + (/^\s*[+-]?\d{4,6}-\d\d-\d\dT/.test(text) ? 'Z' : ' UTC'));
    if (utc === utc) {
      return utc;
    }
    // The engine read it in the machine's zone: the same clock face in UTC.
    var date = new RealDate(time);
    var face = function (name) { return apply(local[name], date, []); };
    return RealDate.UTC(face('getFullYear'), face('getMonth'), face('getDate'), face('getHours'), face('getMinutes'),
      face('getSeconds'), face('getMilliseconds'));
  }

  function Clock(first) {
    var count = arguments.length;
    if (new.target === undefined) {
      return new RealDate(now).toString();
    }
    if (count === 0) {
      return construct(RealDate, [now], new.target);
    }
    if (count > 1) {
      return construct(RealDate, [apply(RealDate.UTC, undefined, arguments)], new.target);
    }
    if (first !== null && typeof first === 'object' && !(first instanceof RealDate)) {
      first = first.valueOf() === first ? String(first) : first.valueOf();
    }
    return construct(RealDate, [typeof first === 'string' ? parseAsUtc(first) : first], new.target);
  }
  defineProperty(Clock, 'name', { value: 'Date', configurable: true });
  defineProperty(Clock, 'length', { value: 7, configurable: true });
  defineProperty(Clock, 'prototype', { value: RealDate.prototype, writable: false });
  put(Clock, 'now', function now_() { return now; });
  put(Clock, 'parse', function parse(text) { return parseAsUtc(text); });
  put(Clock, 'UTC', RealDate.UTC);
  put(RealDate.prototype, 'constructor', Clock);
  put(G, 'Date', Clock);

  ['FullYear', 'Month', 'Date', 'Hours', 'Minutes', 'Seconds', 'Milliseconds', 'Day'].forEach(function (part) {
    put(RealDate.prototype, 'get' + part, RealDate.prototype['getUTC' + part]);
    if (part !== 'Day') {
      put(RealDate.prototype, 'set' + part, RealDate.prototype['setUTC' + part]);
    }
  });
  put(RealDate.prototype, 'getTimezoneOffset', function getTimezoneOffset() {
    var time = apply(RealDate.prototype.getTime, this, []);
    return time === time ? 0 : NaN;
  });
  put(RealDate.prototype, 'getYear', function getYear() { return this.getUTCFullYear() - 1900; });

  function two(number) { return (number < 10 ? '0' : '') + number; }
  var DAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];
  var MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
  function texts(date, day, time) {
    if (date.getTime() !== date.getTime()) {
      return 'Invalid Date';
    }
    return (day ? day(date) : '') + (day && time ? time.joint : '') + (time ? time.text(date) : '');
  }
  function longDay(date) {
    return DAYS[date.getUTCDay()] + ' ' + MONTHS[date.getUTCMonth()] + ' ' + two(date.getUTCDate()) + ' ' + date.getUTCFullYear();
  }
  function shortDay(date) {
    return two(date.getUTCMonth() + 1) + '/' + two(date.getUTCDate()) + '/' + date.getUTCFullYear();
  }
  function clockFace(date) {
    return two(date.getUTCHours()) + ':' + two(date.getUTCMinutes()) + ':' + two(date.getUTCSeconds());
  }
  var zoned = { joint: ' ', text: function (date) { return clockFace(date) + ' GMT+0000'; } };
  var halved = {
    joint: ', ',
    text: function (date) {
      var hours = date.getUTCHours();
      return two(hours % 12 || 12) + clockFace(date).slice(2) + (hours < 12 ? ' AM' : ' PM');
    }
  };
  [['toString', longDay, zoned], ['toDateString', longDay, null], ['toTimeString', null, zoned],
    ['toLocaleString', shortDay, halved], ['toLocaleDateString', shortDay, null], ['toLocaleTimeString', null, halved]
  ].forEach(function (one) {
    put(RealDate.prototype, one[0], function () { return texts(this, one[1], one[2]); });
  });

  // --- Nothing by chance, nothing that outlives a call. ---

  put(Math, 'random', function random() { return 0.5; });
  ['performance', 'Atomics', 'SharedArrayBuffer', 'WeakRef', 'FinalizationRegistry', 'gc', 'navigator', 'queueMicrotask', 'Proxy'].forEach(function (name) {
    delete G[name];
  });
  delete Error.prepareStackTrace;
  delete Error.stackTraceLimit;

  var silent = function () {};
  var console = {};
  ['log', 'info', 'warn', 'error', 'debug', 'trace', 'dir', 'table', 'assert', 'group', 'groupEnd', 'time', 'timeEnd'].forEach(function (name) {
    console[name] = silent;
  });
  put(G, 'console', console);

  // --- What codecs share between uplinks: everything that can be reached from here, if nobody freezes it. ---

  function reachable() {
    var found = [];
    var seen = new Set();
    var walk = function (value) {
      if ((typeof value !== 'object' && typeof value !== 'function') || value === null || seen.has(value)) {
        return;
      }
      seen.add(value);
      found.push(value);
      walk(prototypeOf(value));
      ownKeys(value).forEach(function (key) {
        var told = describe(value, key);
        if ('value' in told) {
          walk(told.value);
        } else {
          walk(told.get);
          walk(told.set);
        }
      });
    };
    seen.add(G);
    ownKeys(G).forEach(function (key) {
      var told = describe(G, key);
      walk('value' in told ? told.value : told.get);
    });
    [function* () {}, async function () {}, async function* () {}, [][Symbol.iterator](), ''[Symbol.iterator](), new Map()[Symbol.iterator](),
      new Set()[Symbol.iterator](), ''.matchAll(/x/g), (function* () {})(), (async function* () {})(), new Map(), new Set(), /x/, Promise.resolve(), (function () { return arguments; })()
    ].forEach(walk);
    return found;
  }

  // An assignment to a name that a frozen prototype has would fail, and codecs name their own errors.
  function allowOwn(prototype, names) {
    names.forEach(function (name) {
      var told = describe(prototype, name);
      if (told === undefined || !('value' in told)) {
        return;
      }
      var value = told.value;
      defineProperty(prototype, name, {
        get: function () { return value; },
        set: function (own) {
          if (this === prototype || this === null || (typeof this !== 'object' && typeof this !== 'function')) {
            throw new TypeError('built-in objects cannot be changed while uplinks are decoded');
          }
          defineProperty(this, name, { value: own, writable: true, enumerable: true, configurable: true });
        },
        enumerable: false,
        configurable: false
      });
    });
  }

  var baseKeys;
  var basePrototype;
  function freeze() {
    allowOwn(ObjectPrototype, ['toString', 'toLocaleString', 'valueOf', 'constructor', 'hasOwnProperty']);
    allowOwn(Array.prototype, ['toString', 'constructor']);
    allowOwn(Function.prototype, ['toString', 'constructor']);
    ['Error', 'EvalError', 'RangeError', 'ReferenceError', 'SyntaxError', 'TypeError', 'URIError', 'AggregateError', 'InternalError'].forEach(function (name) {
      if (typeof G[name] === 'function') {
        allowOwn(G[name].prototype, ['name', 'message', 'toString', 'constructor']);
      }
    });
    reachable().forEach(Object.freeze);
    ownKeys(G).forEach(function (key) {
      var told = describe(G, key);
      if (told.configurable) {
        defineProperty(G, key, 'value' in told ? { writable: false, configurable: false } : { configurable: false });
      }
    });
    baseKeys = new Set(ownKeys(G));
    basePrototype = prototypeOf(G);
  }

  // --- One uplink. ---

  function shown(thrown) {
    try {
      if (thrown !== null && typeof thrown === 'object' && typeof thrown.message === 'string') {
        var name = typeof thrown.name === 'string' ? thrown.name : 'Error';
        var place = /:(\d+)(?::\d+)?\)?\s*$/m.exec(String(thrown.stack).split('\n').filter(function (line) {
          return line.indexOf(fileName + ':') >= 0;
        })[0] || '');
        return (name + ': ' + thrown.message).slice(0, 400) + (place ? ' (line ' + place[1] + ')' : '');
      }
      return 'threw ' + String(thrown).slice(0, 400);
    } catch (_) {
      return 'threw something that cannot be shown';
    }
  }

  function list(told) {
    if (told === undefined || told === null) {
      return [];
    }
    var all = isArray(told) ? told : [told];
    var texts = [];
    for (var index = 0; index < all.length && index < 20; index += 1) {
      texts.push(String(all[index]).slice(0, 400));
    }
    return texts;
  }

  function plain(key, value) {
    return typeof value === 'bigint' ? Number(value) : value;
  }

  function text(value) {
    var told;
    try {
      told = stringify(value);
    } catch (_) {
      told = stringify(value, plain);
    }
    if (told !== undefined && told.length > mostOutput) {
      throw new RangeError('the output has ' + told.length + ' characters; at most ' + mostOutput + ' are taken');
    }
    return told;
  }

  function need(data, from) {
    if (data === null || typeof data !== 'object') {
      throw new TypeError(from + ' returned no data');
    }
    var told = text(data);
    if (told === undefined) {
      throw new TypeError(from + ' returned data that is no object');
    }
    return told;
  }

  function finder(make) {
    var first = G.exports;
    var entries = apply(make, G, []);
    return function (name) {
      if (entries[name] !== undefined) {
        return entries[name];
      }
      var exported = G.module === undefined ? undefined : G.module.exports;
      return entry(exported, name) || entry(first, name) || entry(G.exports, name) || entry(exported && exported.default, name);
    };
  }

  function entry(place, name) {
    return place !== undefined && place !== null && typeof place[name] === 'function' ? place[name] : undefined;
  }

  function judged(find, told) {
    if (told === null || typeof told !== 'object') {
      throw new TypeError('decodeUplink returned ' + (told === null ? 'null' : typeof told) + ', not an object with data');
    }
    var errors = list(told.errors);
    if (errors.length > 0) {
      return '{"errors":' + text(errors) + '}';
    }
    return output(find, told.data, 'decodeUplink', list(told.warnings));
  }

  function output(find, data, from, warnings) {
    var told = '{"data":' + need(data, from);
    var normalize = find('normalizeUplink');
    if (normalize !== undefined) {
      var normal = apply(normalize, undefined, [{ data: data }]);
      var errors = normal ? list(normal.errors) : ['it returned nothing'];
      if (errors.length > 0) {
        warnings = warnings.concat(errors.map(function (error) { return 'normalizeUplink: ' + error; }));
      } else {
        told += ',"normalized":' + need(normal.data, 'normalizeUplink');
        warnings = warnings.concat(list(normal.warnings));
      }
    }
    return told + (warnings.length > 0 ? ',"warnings":' + text(warnings) : '') + '}';
  }

  var waiting;
  function work(make, bytes, port, variables) {
    var find = finder(make);
    var decode = find('decodeUplink');
    if (decode !== undefined) {
      var input = { bytes: bytes, fPort: port, recvTime: new RealDate(now), variables: variables };
      var told = apply(decode, undefined, [input]);
      if (told !== null && typeof told === 'object' && typeof told.then === 'function') {
        var state = { find: find, settled: false };
        waiting = state;
        told.then(function (value) { state.settled = true; state.value = value; }, function (thrown) { state.settled = true; state.thrown = [thrown]; });
        return '';
      }
      return judged(find, told);
    }
    decode = find('Decoder');
    if (decode !== undefined) {
      return output(find, apply(decode, undefined, [bytes, port]), 'Decoder', []);
    }
    decode = find('Decode');
    if (decode !== undefined) {
      return output(find, apply(decode, undefined, [port, bytes, variables]), 'Decode', []);
    }
    throw new ReferenceError('there is neither decodeUplink, nor Decoder, nor Decode');
  }

  function guarded(task) {
    try {
      return task();
    } catch (thrown) {
      return '{"errors":' + stringify([shown(thrown)]) + '}';
    }
  }

  function open(at) {
    now = at;
    waiting = undefined;
    G.exports = {};
    G.module = { exports: G.exports };
  }

  return {
    freeze: freeze,
    open: open,
    // The text of the outcome, or an empty one where a promise is waited for.
    run: function (make, bytes, port, at, variables) {
      open(at);
      return guarded(function () { return work(make, bytes, port, variables === '' ? {} : parse(variables)); });
    },
    // After all jobs have run.
    settle: function () {
      return guarded(function () {
        if (!waiting.settled) {
          throw new TypeError('decodeUplink returned a promise that was never resolved');
        }
        if (waiting.thrown !== undefined) {
          throw waiting.thrown[0];
        }
        return judged(waiting.find, waiting.value);
      });
    },
    // Takes back what `open` gave; false where that cannot be done.
    close: function () {
      waiting = undefined;
      return delete G.exports && delete G.module && prototypeOf(G) === basePrototype;
    },
    // Takes back what else was left in the global object; false where that cannot be done.
    sweep: function () {
      ownKeys(G).forEach(function (key) {
        if (!baseKeys.has(key)) {
          delete G[key];
        }
      });
      return ownKeys(G).length === baseKeys.size;
    },
    // What was there before a script ran, to ask afterwards whether it is still so.
    look: function () {
      return reachable().map(function (thing) {
        return [thing, ownKeys(thing).map(function (key) { return [key, describe(thing, key)]; })];
      });
    },
    same: function (look) {
      return look.every(function (one) {
        var keys = ownKeys(one[0]);
        return keys.length === one[1].length && one[1].every(function (entry) {
          var told = describe(one[0], entry[0]);
          return told !== undefined && Object.is(told.value, entry[1].value) && told.get === entry[1].get && told.set === entry[1].set;
        });
      });
    },
    found: function (entries) {
      var exported = G.module.exports;
      return ['decodeUplink', 'Decoder', 'Decode'].some(function (name) {
        return typeof entries[name] === 'function' || [exported, G.exports, exported && exported.default].some(function (place) {
          return place !== undefined && place !== null && typeof place[name] === 'function';
        });
      });
    }
  };
})
