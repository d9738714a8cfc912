// Milesight WTS506, weather station. Frames after the maker's table of channels (SensorDecoders, WTS506). Rain is a
// running total in mm; its counter says how often the total began anew.

// Bytes of each value, by channel and type.
var sizes = {
  0xff01: 1, 0xff09: 2, 0xff0a: 2, 0xff0b: 1, 0xff0f: 1, 0xff16: 8, 0xfffe: 1, 0xffff: 2,
  0x0175: 1, 0x0367: 2, 0x0468: 1, 0x0584: 2, 0x0673: 2, 0x0792: 2, 0x0877: 3, 0x08ec: 5, 0x8367: 3, 0x8673: 3, 0x8792: 3, 0x88ec: 6,
  0x20ce: 15, 0x21ce: 17
};

function past(part, rain) {
  return {
    time: new Date(u32(part, 0) * 1000).toISOString(),
    temperature: i16(part, 4) / 10,
    humidity: part[6] / 2,
    pressure: u16(part, 7) / 10,
    wind_direction: u16(part, 9) / 10,
    wind_speed: u16(part, 11) / 10,
    rainfall_total: rain / 100
  };
}

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
    case 0x0468: data.humidity = part[0] / 2; break;
    case 0x0584: data.wind_direction = u16(part, 0) / 10; break;
    case 0x0673: case 0x8673: data.pressure = u16(part, 0) / 10; break;
    case 0x0792: case 0x8792: data.wind_speed = u16(part, 0) / 10; break;
    case 0x0877: data.rainfall_total = u16(part, 0) / 100; data.rainfall_counter = part[2]; break;
    case 0x08ec: case 0x88ec: data.rainfall_total = u32(part, 0) / 100; data.rainfall_counter = part[4]; break;
    case 0x20ce: history.push(past(part, u16(part, 13))); break;
    case 0x21ce: history.push(past(part, u32(part, 13))); break;
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
