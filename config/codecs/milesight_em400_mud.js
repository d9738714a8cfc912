// Milesight EM400-MUD, ultrasonic distance for bins and manholes. Frames after the maker's table of channels
// (SensorDecoders, EM400-MUD). Distance from the lid to the waste in mm. The place that models
// with NB-IoT tell (06 88) is passed over: the registry knows where a bin stands.

// Bytes of each value, by channel and type.
var sizes = {
  0xff01: 1, 0xff09: 2, 0xff0a: 2, 0xff0b: 1, 0xff0f: 1, 0xff16: 8, 0xfffe: 1, 0xffff: 2,
  0x0175: 1, 0x0367: 2, 0x0482: 2, 0x0500: 1, 0x0688: 9, 0x8367: 3, 0x8482: 3
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
    case 0x0367: case 0x8367: data.temperature = i16(part, 0) / 10; break;
    case 0x0482: case 0x8482: data.distance = u16(part, 0); break;
    case 0x0500: data.tilt = part[0] === 1; break;
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
