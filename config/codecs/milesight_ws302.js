// Milesight WS302, sound level. Frames after the maker's table of channels (SensorDecoders, WS302). The first byte of
// a sound level tells both weightings, and the names do: by frequency (z, a, c) and by time (i, f, s). laf, laeq and
// lafmax are in dB(A); lcs, lceq and lcsmax are not.

// Bytes of each value, by channel and type.
var sizes = {
  0xff01: 1, 0xff09: 2, 0xff0a: 2, 0xff0b: 1, 0xff0f: 1, 0xff16: 8, 0xfffe: 1, 0xffff: 2,
  0x0175: 1, 0x055b: 7
};

function decodeUplink(input) {
  var bytes = input.bytes;
  var data = {};
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
    if (!read(channel * 256 + type, part, data)) {
      return { errors: ["byte " + (at + 2) + ": the weighting " + part[0] + " is unknown, and so is what the levels mean"] };
    }
    at += 2 + size;
  }
  return { data: data };
}


function read(key, part, data) {
  switch (key) {
    case 0x0175: data.battery = part[0]; break;
    case 0x055b: return sound(part, data);
    default: break;
  }
  return true;
}

function sound(part, data) {
  var frequency = ["z", "a", "c"][part[0] & 3];
  var time = ["i", "f", "s"][part[0] >> 2 & 3];
  if (frequency === undefined || time === undefined) {
    return false;
  }
  data.weighting = part[0];
  data["l" + frequency + time] = u16(part, 1) / 10;
  data["l" + frequency + "eq"] = u16(part, 3) / 10;
  data["l" + frequency + time + "max"] = u16(part, 5) / 10;
  return true;
}

function u16(part, at) {
  return part[at] | part[at + 1] << 8;
}
