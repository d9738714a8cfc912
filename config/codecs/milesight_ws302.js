// Milesight WS302, sound level. Frames after the maker's table of channels (SensorDecoders, WS302). The first byte of
// a sound level tells the weighting; only A in dB(A) with fast response is what the names below say.

// Bytes of each value, by channel and type.
var sizes = {
  0xff01: 1, 0xff09: 2, 0xff0a: 2, 0xff0b: 1, 0xff0f: 1, 0xff16: 8, 0xfffe: 1, 0xffff: 2,
  0x0175: 1, 0x055b: 7
};

function decodeUplink(input) {
  var bytes = input.bytes;
  var data = {};
  var history = [];
  for (var at = 0; at < bytes.length;) {
    var channel = bytes[at];
    var type = bytes[at + 1];
    var part = bytes.slice(at + 2);
    var size = sizes[channel * 256 + type];
    if (size === undefined) {
      return { errors: ["byte " + at + ": channel " + channel + " with type " + type + " is unknown, and what follows cannot be read"] };
    }
    if (part.length < size) {
      return { errors: ["byte " + at + ": the frame is cut off"] };
    }
    read(channel * 256 + type, part, data, history);
    at += 2 + size;
  }
  return { data: history.length > 0 ? history.concat(Object.keys(data).length > 0 ? [data] : []) : data };
}


function read(key, part, data, history) {
  switch (key) {
    case 0x0175: data.battery = part[0]; break;
    case 0x055b: data.weighting = part[0]; data.laf = u16(part, 1) / 10; data.laeq = u16(part, 3) / 10; data.lafmax = u16(part, 5) / 10; break;
    default: break;
  }
}

function u16(part, at) {
  return part[at] | part[at + 1] << 8;
}

function i16(part, at) {
  return u16(part, at) << 16 >> 16;
}

function u32(part, at) {
  return (u16(part, at) | u16(part, at + 2) << 16) >>> 0;
}
