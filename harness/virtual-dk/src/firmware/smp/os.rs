//! The OS group: echo, task statistics, reset, params, OS info, bootloader information
//! (`zephyr subsys/mgmt/mcumgr/grp/os_mgmt/src/os_mgmt.c`).

use hil_smp::Map;

use super::error::{Failure, OsError, Rc};
use super::{Call, READ, ResetRequest, Server, WRITE};

/// `CONFIG_MCUMGR_GRP_OS_INFO_MAX_RESPONSE_SIZE`, bytes.
const INFO_LIMIT: usize = 256;

/// What OS info can say, in the order in which it says it whatever the order of the question.
const INFO: [(char, &str); 9] = [
    ('s', "Zephyr"),
    ('n', "unknown"),
    ('r', "4.1.99"),
    ('v', "v4.1.99-dfu-hil"),
    ('b', "Thu Jan  1 00:00:00 1970"),
    ('m', "arm"),
    ('p', "cortex-m33"),
    ('i', "nrf5340dk/nrf5340/cpuapp"),
    ('o', "Zephyr"),
];

impl Server {
    pub(super) fn os(&mut self, op: u8, command: u8, call: &mut Call<'_>) -> Result<Map, Failure> {
        match (command, op) {
            (0, READ | WRITE) if self.build.echo.is_on() => echo(call),
            (2, READ) if self.build.task_statistics.is_on() => Ok(task_statistics()),
            (5, WRITE) => Ok(reset(call)),
            (6, READ) if self.build.params.is_on() => Ok(self.params()),
            (7, READ) if self.build.os_info.is_on() => info(call),
            (8, READ) if self.build.bootloader_info.is_on() => self.bootloader_info(call),
            _ => Err(Rc::NotSupported.into()),
        }
    }

    fn params(&self) -> Map {
        Map::new()
            .with("buf_size", self.build.buf_size)
            .with("buf_count", self.build.buf_count)
    }

    fn bootloader_info(&self, call: &Call<'_>) -> Result<Map, Failure> {
        let arguments = call.arguments()?;
        match arguments.text("query")? {
            None => Ok(Map::new().with("bootloader", "MCUboot")),
            Some("mode") => {
                let body = Map::new().with("mode", self.identity.bootloader_mode);
                Ok(if self.identity.no_downgrade.is_on() {
                    body.with("no-downgrade", true)
                } else {
                    body
                })
            }
            Some(_) => Err(OsError::QueryYieldsNoAnswer.into()),
        }
    }
}

fn echo(call: &Call<'_>) -> Result<Map, Failure> {
    let arguments = call.arguments()?;
    let text = arguments.text("d")?.ok_or(Rc::Invalid)?;
    Ok(Map::new().with("r", text))
}

/// Arguments that do not decode count as absent. `boot_mode` is for a bootloader that looks at it; `force` changes nothing,
/// as nothing here refuses a reset.
fn reset(call: &mut Call<'_>) -> Map {
    let boot_mode = call
        .arguments()
        .ok()
        .and_then(|arguments| arguments.uint("boot_mode").ok().flatten())
        .unwrap_or(0);
    *call.reset = Some(ResetRequest { boot_mode });
    Map::new()
}

fn info(call: &Call<'_>) -> Result<Map, Failure> {
    let arguments = call.arguments()?;
    let format = match arguments.text("format")? {
        None | Some("") => "s",
        Some(format) => format,
    };
    if format
        .chars()
        .any(|letter| letter != 'a' && INFO.iter().all(|(known, _)| *known != letter))
    {
        return Err(OsError::InvalidFormat.into());
    }
    let words: Vec<&str> = INFO
        .iter()
        .filter(|(letter, _)| format.contains(*letter) || format.contains('a'))
        .map(|(_, word)| *word)
        .collect();
    let output = words.join(" ");
    if output.len() >= INFO_LIMIT {
        return Err(Rc::TooLong.into());
    }
    Ok(Map::new().with("output", output))
}

/// The threads of a small Zephyr application with SMP over UART; stack figures in words of 4 bytes.
fn task_statistics() -> Map {
    let threads: [(&str, u32, u32, u32, u32); 6] = [
        ("mcumgr smp", 3, 2, 768, 214),
        ("sysworkq", 255, 2, 512, 96),
        ("logging", 14, 2, 192, 120),
        ("idle", 15, 0, 80, 19),
        ("main", 0, 128, 512, 171),
        ("rx_workq", 8, 2, 300, 63),
    ];
    let tasks = threads.iter().zip(0..).fold(
        Map::new(),
        |tasks, (&(name, priority, state, size, used), id)| {
            let task = Map::new()
                .with("prio", priority)
                .with("tid", id)
                .with("state", state)
                .with("stksiz", size)
                .with("stkuse", used)
                .with("runtime", 0)
                .with("cswcnt", 0)
                .with("last_checkin", 0)
                .with("next_checkin", 0);
            tasks.with(name, task)
        },
    );
    Map::new().with("tasks", tasks)
}
