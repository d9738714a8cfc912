function decodeUplink(input) { return { data: { air: { temperature: 27.2, humidity: { relative: 60 } }, doors: [{ open: true }, { open: false }] } }; }
