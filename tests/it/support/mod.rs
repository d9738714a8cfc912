//! What the tests stand on: real servers on free ports, ended when their owner is dropped.
#![allow(dead_code, reason = "each test uses its own part of the harness")]

pub mod certificates;
pub mod chromium;
pub mod city;
pub mod counting;
pub mod dashboards;
pub mod http;
pub mod influxdb;
pub mod mosquitto;
pub mod nadikota;
pub mod process;
pub mod proxy;
pub mod publish;
pub mod scale;
pub mod scripted;
pub mod spoken;
pub mod told;
pub mod victoria_metrics;
pub mod wait;
