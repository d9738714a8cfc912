// Buffer, as much of Node's as codecs use: a Uint8Array that reads numbers and speaks hex, base64 and text.
(function () {
  'use strict';
  var ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';

  function utf8(text) {
    var bytes = [];
    for (var character of text) {
      var code = character.codePointAt(0);
      if (code >= 0xd800 && code <= 0xdfff) {
        code = 0xfffd;
      }
      if (code < 0x80) {
        bytes.push(code);
      } else if (code < 0x800) {
        bytes.push(0xc0 | code >> 6, 0x80 | code & 63);
      } else if (code < 0x10000) {
        bytes.push(0xe0 | code >> 12, 0x80 | code >> 6 & 63, 0x80 | code & 63);
      } else {
        bytes.push(0xf0 | code >> 18, 0x80 | code >> 12 & 63, 0x80 | code >> 6 & 63, 0x80 | code & 63);
      }
    }
    return bytes;
  }

  function fromUtf8(bytes) {
    var text = '';
    for (var at = 0; at < bytes.length;) {
      var first = bytes[at];
      var more = first < 0x80 ? 0 : first >= 0xc2 && first < 0xe0 ? 1 : first >= 0xe0 && first < 0xf0 ? 2 : first >= 0xf0 && first < 0xf5 ? 3 : -1;
      var code = more === 0 ? first : more === 1 ? first & 31 : more === 2 ? first & 15 : first & 7;
      var used = 1;
      while (more > 0 && used <= more && (bytes[at + used] & 0xc0) === 0x80) {
        code = code << 6 | bytes[at + used] & 63;
        used += 1;
      }
      var least = [0, 0x80, 0x800, 0x10000][more];
      var sound = more >= 0 && used === more + 1 && code >= least && code <= 0x10ffff && (code < 0xd800 || code > 0xdfff);
      text += sound ? String.fromCodePoint(code) : '\ufffd';
      at += sound ? used : 1;
    }
    return text;
  }

  function hex(text) {
    var bytes = [];
    // Node stops at the first pair that is no hex.
    for (var at = 0; at + 1 < text.length && /^[0-9a-fA-F]{2}$/.test(text.substr(at, 2)); at += 2) {
      bytes.push(parseInt(text.substr(at, 2), 16));
    }
    return bytes;
  }

  function base64(text) {
    var bytes = [];
    var bits = 0;
    var held = 0;
    for (var at = 0; at < text.length; at += 1) {
      var character = text[at] === '-' ? '+' : text[at] === '_' ? '/' : text[at];
      if (character === '=') {
        break;
      }
      var value = ALPHABET.indexOf(character);
      if (value < 0) {
        continue;
      }
      held = (held << 6 | value) & 0xffffff;
      bits += 6;
      if (bits >= 8) {
        bits -= 8;
        bytes.push(held >> bits & 255);
      }
    }
    return bytes;
  }

  function toBase64(bytes) {
    var text = '';
    for (var at = 0; at < bytes.length; at += 3) {
      var left = bytes.length - at;
      var held = bytes[at] << 16 | (left > 1 ? bytes[at + 1] : 0) << 8 | (left > 2 ? bytes[at + 2] : 0);
      text += ALPHABET[held >> 18] + ALPHABET[held >> 12 & 63] + (left > 1 ? ALPHABET[held >> 6 & 63] : '=') + (left > 2 ? ALPHABET[held & 63] : '=');
    }
    return text;
  }

  function encode(text, encoding) {
    switch (String(encoding === undefined ? 'utf8' : encoding).toLowerCase()) {
      case 'hex': return hex(text);
      case 'base64': case 'base64url': return base64(text);
      case 'utf8': case 'utf-8': return utf8(text);
      case 'ascii': case 'latin1': case 'binary': return Array.from(text, function (character) { return character.charCodeAt(0) & 255; });
      default: throw new TypeError('Unknown encoding: ' + encoding);
    }
  }

  class Buffer extends Uint8Array {
    static from(value, encoding, length) {
      if (typeof value === 'string') {
        return new Buffer(encode(value, encoding));
      }
      if (value instanceof ArrayBuffer) {
        return new Buffer(value, encoding, length);
      }
      if (value !== null && typeof value === 'object') {
        return new Buffer(value.type === 'Buffer' && Array.isArray(value.data) ? value.data : value);
      }
      throw new TypeError('Buffer.from takes text, an array or a buffer');
    }

    static alloc(size, fill, encoding) {
      var made = new Buffer(size);
      return fill === undefined ? made : made.fill(fill, encoding);
    }

    static allocUnsafe(size) {
      return new Buffer(size);
    }

    static isBuffer(value) {
      return value instanceof Buffer;
    }

    static byteLength(value, encoding) {
      return typeof value === 'string' ? encode(value, encoding).length : value.byteLength;
    }

    static concat(list, total) {
      var length = 0;
      list.forEach(function (part) { length += part.length; });
      var made = new Buffer(total === undefined ? length : total);
      var at = 0;
      list.forEach(function (part) {
        var room = made.length - at;
        made.set(part.length > room ? part.subarray(0, room) : part, at);
        at += Math.min(part.length, room);
      });
      return made;
    }

    fill(value, start, end, encoding) {
      if (typeof value === 'string') {
        var bytes = encode(value, typeof start === 'string' ? start : encoding);
        for (var at = 0; at < this.length && bytes.length > 0; at += 1) {
          this[at] = bytes[at % bytes.length];
        }
        return this;
      }
      return super.fill(value, start, end);
    }

    // A view of the same bytes, as in Node.
    slice(start, end) {
      return this.subarray(start, end);
    }

    toString(encoding, start, end) {
      var part = start === undefined && end === undefined ? this : this.subarray(start, end);
      switch (String(encoding === undefined ? 'utf8' : encoding).toLowerCase()) {
        case 'hex': {
          var text = '';
          for (var at = 0; at < part.length; at += 1) {
            text += (part[at] < 16 ? '0' : '') + part[at].toString(16);
          }
          return text;
        }
        case 'base64': return toBase64(part);
        case 'base64url': return toBase64(part).replace(/\+/g, '-').replace(/\//g, '_').replace(/=+$/, '');
        case 'utf8': case 'utf-8': return fromUtf8(part);
        case 'ascii': return Array.from(part, function (byte) { return String.fromCharCode(byte & 127); }).join('');
        case 'latin1': case 'binary': return Array.from(part, function (byte) { return String.fromCharCode(byte); }).join('');
        default: throw new TypeError('Unknown encoding: ' + encoding);
      }
    }

    toJSON() {
      return { type: 'Buffer', data: Array.from(this) };
    }

    equals(other) {
      return this.length === other.length && this.every(function (byte, at) { return byte === other[at]; });
    }

    readUIntBE(offset, size) {
      check(this, offset, size);
      var value = 0;
      for (var at = 0; at < size; at += 1) {
        value = value * 256 + this[offset + at];
      }
      return value;
    }

    readUIntLE(offset, size) {
      check(this, offset, size);
      var value = 0;
      for (var at = size - 1; at >= 0; at -= 1) {
        value = value * 256 + this[offset + at];
      }
      return value;
    }

    readIntBE(offset, size) {
      return signed(this.readUIntBE(offset, size), size);
    }

    readIntLE(offset, size) {
      return signed(this.readUIntLE(offset, size), size);
    }

    write(text, offset, length, encoding) {
      if (typeof offset === 'string') {
        encoding = offset;
        offset = undefined;
      }
      var bytes = encode(String(text), encoding);
      var start = offset || 0;
      var count = Math.min(bytes.length, this.length - start, length === undefined ? Infinity : length);
      for (var at = 0; at < count; at += 1) {
        this[start + at] = bytes[at];
      }
      return count;
    }
  }

  function check(buffer, offset, size) {
    if (!(offset >= 0) || !(size >= 1 && size <= 6) || offset + size > buffer.length) {
      throw new RangeError('Attempt to access memory outside buffer bounds');
    }
  }

  function signed(value, size) {
    var half = Math.pow(2, size * 8 - 1);
    return value >= half ? value - 2 * half : value;
  }

  function add(name, method) {
    Object.defineProperty(Buffer.prototype, name, { value: method, writable: true, enumerable: false, configurable: true });
  }

  function view(buffer, offset, size) {
    offset = offset === undefined ? 0 : offset;
    if (!(offset >= 0) || offset + size > buffer.length) {
      throw new RangeError('Attempt to access memory outside buffer bounds');
    }
    return new DataView(buffer.buffer, buffer.byteOffset + offset, size);
  }

  [['Int8', 1], ['Int16', 2], ['Int32', 4], ['Uint8', 1], ['Uint16', 2], ['Uint32', 4], ['Float32', 4], ['Float64', 8], ['BigInt64', 8], ['BigUint64', 8]].forEach(function (kind) {
    var get = DataView.prototype['get' + kind[0]];
    var set = DataView.prototype['set' + kind[0]];
    var size = kind[1];
    var names = [kind[0], kind[0].replace('Uint', 'UInt')];
    if (kind[0] === 'Float32') {
      names = ['Float'];
    } else if (kind[0] === 'Float64') {
      names = ['Double'];
    }
    names.forEach(function (name) {
      if (size === 1) {
        add('read' + name, function (offset) { return get.call(view(this, offset, 1), 0); });
        add('write' + name, function (value, offset) { set.call(view(this, offset, 1), 0, value); return (offset || 0) + 1; });
        return;
      }
      [['BE', false], ['LE', true]].forEach(function (order) {
        add('read' + name + order[0], function (offset) { return get.call(view(this, offset, size), 0, order[1]); });
        add('write' + name + order[0], function (value, offset) { set.call(view(this, offset, size), 0, value, order[1]); return (offset || 0) + size; });
      });
    });
  });
  ['readUInt', 'readInt'].forEach(function (name) {
    ['BE', 'LE'].forEach(function (order) {
      add(name.replace('UInt', 'Uint') + order, Buffer.prototype[name + order]);
    });
  });
  Object.defineProperty(globalThis, 'Buffer', { value: Buffer, writable: true, enumerable: false, configurable: true });
})
