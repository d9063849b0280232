//! A typed client over a [`Transport`].

mod error;

pub use error::ClientError;

use crate::code::{ManagementCode, Refused};
use crate::exchange::{Exchange, ExchangeEvent, Patience};
use crate::header::Version;
use crate::message::{
    BootloaderInfo, BootloaderInfoAnswer, Command, Echo, EraseSlot, ImageState, OsInfo, Params,
    ParamsAnswer, ReadImageState, Reset, SlotInfo, SlotInfoAnswer, WriteImageState, read_answer,
};
use crate::transport::Transport;
use crate::upload::{
    Upload, UploadError, UploadEvent, UploadLimits, UploadOptions, UploadOutcome, UploadProgress,
};
use hil_clock::SharedClock;
use std::ops::ControlFlow;
use std::time::Duration;

/// How patient a [`Client`] is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ClientOptions {
    /// For everything that has no line of its own below.
    pub patience: Patience,
    /// For an explicit erase, which answers only when the slot is blank.
    pub erase: Patience,
    /// For a reset. Asking twice would reset twice.
    pub reset: Patience,
    /// Version to start with; a server that knows only v1 makes the client fall back.
    pub version: Version,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            patience: Patience {
                timeout: Duration::from_millis(2500),
                attempts: 3,
            },
            // What nRF Connect Device Manager gives it.
            erase: Patience {
                timeout: Duration::from_secs(75),
                attempts: 1,
            },
            reset: Patience {
                timeout: Duration::from_secs(5),
                attempts: 1,
            },
            version: Version::V2,
        }
    }
}

/// Talks to the SMP server of one board.
#[derive(Debug)]
pub struct Client<T> {
    transport: T,
    clock: SharedClock,
    options: ClientOptions,
    version: Version,
    sequence: u8,
    params: Option<ParamsAnswer>,
}

impl<T: Transport> Client<T> {
    /// A client over `transport`, with default patience.
    pub fn new(transport: T, clock: SharedClock) -> Self {
        Self::with_options(transport, clock, ClientOptions::default())
    }

    /// A client over `transport`.
    pub fn with_options(transport: T, clock: SharedClock, options: ClientOptions) -> Self {
        Self {
            transport,
            clock,
            options,
            version: options.version,
            sequence: 0,
            params: None,
        }
    }

    /// The link.
    pub fn transport(&mut self) -> &mut T {
        &mut self.transport
    }

    /// Gives the link back.
    pub fn into_transport(self) -> T {
        self.transport
    }

    /// Has `text` sent back.
    ///
    /// # Errors
    ///
    /// As [`call`](Self::call).
    pub fn echo(&mut self, text: &str) -> Result<String, ClientError> {
        let request = Echo {
            text: text.to_owned(),
        };
        self.call(&request).map(|answer| answer.text)
    }

    /// The server's buffers, asked now; from here on no request exceeds them.
    ///
    /// # Errors
    ///
    /// As [`call`](Self::call); [`ManagementCode::NOT_SUPPORTED`] from servers built without it.
    pub fn params(&mut self) -> Result<ParamsAnswer, ClientError> {
        let params = self.call(&Params)?;
        self.params = Some(params);
        Ok(params)
    }

    /// Resets the board; it does so 250 ms after the answer.
    ///
    /// # Errors
    ///
    /// As [`call`](Self::call). A reset is asked once, so a lost answer is a timeout although the board may reset.
    pub fn reset(&mut self, reset: Reset) -> Result<(), ClientError> {
        let done = self.call_with(&reset, self.options.reset);
        // What answers next may be MCUboot, with other buffers.
        self.params = None;
        done.map(|_| ())
    }

    /// What the server knows about the bootloader: its name, and its mode if it tells.
    ///
    /// # Errors
    ///
    /// As [`call`](Self::call).
    pub fn bootloader_info(&mut self) -> Result<BootloaderInfoAnswer, ClientError> {
        let name = self.call(&BootloaderInfo::default())?;
        let mode = BootloaderInfo {
            query: Some("mode".to_owned()),
        };
        match self.call(&mode) {
            Ok(mode) => Ok(BootloaderInfoAnswer {
                bootloader: name.bootloader,
                ..mode
            }),
            Err(ClientError::Refused { .. }) => Ok(name),
            Err(error) => Err(error),
        }
    }

    /// The parts of `uname` that the letters of `format` ask for.
    ///
    /// # Errors
    ///
    /// As [`call`](Self::call).
    pub fn os_info(&mut self, format: &str) -> Result<String, ClientError> {
        let request = OsInfo {
            format: Some(format.to_owned()),
        };
        self.call(&request).map(|answer| answer.output)
    }

    /// What is in the slots.
    ///
    /// # Errors
    ///
    /// As [`call`](Self::call).
    pub fn image_state(&mut self) -> Result<ImageState, ClientError> {
        self.call(&ReadImageState)
    }

    /// Marks the image with this hash (the list's, not the file's) for test.
    ///
    /// # Errors
    ///
    /// As [`call`](Self::call).
    pub fn test_image(&mut self, hash: &[u8]) -> Result<ImageState, ClientError> {
        self.set_image_state(Some(hash), false)
    }

    /// Confirms the image with this hash, or the running one.
    ///
    /// # Errors
    ///
    /// As [`call`](Self::call).
    pub fn confirm_image(&mut self, hash: Option<&[u8]>) -> Result<ImageState, ClientError> {
        self.set_image_state(hash, true)
    }

    fn set_image_state(
        &mut self,
        hash: Option<&[u8]>,
        confirm: bool,
    ) -> Result<ImageState, ClientError> {
        self.call(&WriteImageState {
            hash: hash.map(<[u8]>::to_vec),
            confirm: Some(confirm),
        })
    }

    /// Erases a slot; `None` is the server's default, the secondary slot of image 0.
    ///
    /// # Errors
    ///
    /// As [`call`](Self::call).
    pub fn erase(&mut self, slot: Option<u32>) -> Result<(), ClientError> {
        self.call_with(&EraseSlot { slot }, self.options.erase)
            .map(|_| ())
    }

    /// Sizes of the slots.
    ///
    /// # Errors
    ///
    /// As [`call`](Self::call); many servers with one image do not have it.
    pub fn slot_info(&mut self) -> Result<SlotInfoAnswer, ClientError> {
        self.call(&SlotInfo)
    }

    /// Sends one request and waits for its answer, with the client's patience.
    ///
    /// # Errors
    ///
    /// When the link fails, no answer comes, the server refuses, or its answer makes no sense.
    pub fn call<C: Command>(&mut self, command: &C) -> Result<C::Answer, ClientError> {
        self.call_with(command, self.options.patience)
    }

    /// Sends one request and waits for its answer.
    ///
    /// # Errors
    ///
    /// As [`call`](Self::call).
    pub fn call_with<C: Command>(
        &mut self,
        command: &C,
        patience: Patience,
    ) -> Result<C::Answer, ClientError> {
        let answer = self.exchange(command, patience)?;
        match answer {
            Err(refused)
                if refused.is(ManagementCode::UNSUPPORTED_TOO_NEW)
                    && self.version == Version::V2 =>
            {
                self.version = Version::V1;
                self.exchange(command, patience)?
            }
            answer => answer,
        }
        .map_err(|refused| ClientError::Refused {
            command: C::NAME,
            refused,
        })
    }

    fn exchange<C: Command>(
        &mut self,
        command: &C,
        patience: Patience,
    ) -> Result<Result<C::Answer, Refused>, ClientError> {
        let sequence = self.sequence;
        self.sequence = sequence.wrapping_add(1);
        let packet =
            command
                .packet(sequence, self.version)
                .map_err(|source| ClientError::Request {
                    command: C::NAME,
                    source,
                })?;
        if let Some(limit) = self.announced_limit()
            && packet.len() > limit
        {
            return Err(ClientError::TooLong {
                command: C::NAME,
                len: packet.len(),
                limit,
            });
        }
        let mut exchange =
            Exchange::start(self.clock.now(), packet, patience).map_err(|source| {
                ClientError::Request {
                    command: C::NAME,
                    source,
                }
            })?;
        loop {
            if let Some(packet) = exchange.poll_transmit() {
                self.transport.send(packet)?;
            }
            while let Some(event) = exchange.poll_event() {
                match event {
                    ExchangeEvent::Retry { attempt } => {
                        tracing::debug!(command = C::NAME, attempt, "no answer, asking again");
                    }
                    ExchangeEvent::Answer { payload, .. } => {
                        return read_answer(&payload).map_err(|source| ClientError::Answer {
                            command: C::NAME,
                            source,
                        });
                    }
                    ExchangeEvent::GaveUp {
                        attempts,
                        waited,
                        strays,
                    } => {
                        return Err(ClientError::Timeout {
                            command: C::NAME,
                            link: self.transport.capabilities().link,
                            attempts,
                            waited_ms: waited.as_millis(),
                            strays,
                        });
                    }
                }
            }
            let Some(deadline) = exchange.poll_timeout() else {
                continue;
            };
            match self.transport.recv(deadline)? {
                Some(packet) => exchange.handle_packet(&packet),
                None => exchange.handle_timeout(self.clock.now()),
            }
        }
    }

    /// Uploads `file`. `progress` is told after every step forward and may stop it.
    ///
    /// The server's buffers are asked first; a server that does not tell gets small packets, one by one.
    ///
    /// # Errors
    ///
    /// When the link fails, the server refuses, it does not get on, or `progress` stops it.
    pub fn upload(
        &mut self,
        file: &[u8],
        options: UploadOptions,
        progress: &mut dyn FnMut(UploadProgress) -> ControlFlow<()>,
    ) -> Result<UploadOutcome, ClientError> {
        let limits = self.upload_limits()?;
        let mut upload = Upload::new(
            self.clock.now(),
            file.to_vec(),
            options,
            limits,
            self.version,
            self.sequence,
        )
        .map_err(|source| self.upload_error(source))?;
        let outcome = self.drive(&mut upload, progress);
        self.sequence = upload.next_sequence();
        outcome
    }

    fn drive(
        &mut self,
        upload: &mut Upload,
        progress: &mut dyn FnMut(UploadProgress) -> ControlFlow<()>,
    ) -> Result<UploadOutcome, ClientError> {
        loop {
            while let Some(packet) = upload.poll_transmit(self.clock.now()) {
                self.transport.send(&packet)?;
            }
            while let Some(event) = upload.poll_event() {
                match event {
                    UploadEvent::Progress(step) => {
                        if progress(step).is_break() {
                            return Err(ClientError::Stopped {
                                offset: step.offset,
                                total: step.total,
                            });
                        }
                    }
                    UploadEvent::Done(outcome) => return Ok(outcome),
                    UploadEvent::Failed(error) => return Err(self.upload_error(error)),
                    other => tracing::debug!(?other, "upload"),
                }
            }
            let Some(deadline) = upload.poll_timeout() else {
                continue;
            };
            match self.transport.recv(deadline)? {
                Some(packet) => upload.handle_packet(self.clock.now(), &packet),
                None => upload.handle_timeout(self.clock.now()),
            }
        }
    }

    fn upload_error(&self, source: UploadError) -> ClientError {
        ClientError::Upload {
            link: self.transport.capabilities().link,
            source,
        }
    }

    fn upload_limits(&mut self) -> Result<UploadLimits, ClientError> {
        match self.params() {
            Ok(_) => {}
            // Built without it, or so old that it does not answer what it does not know.
            Err(ClientError::Refused { .. } | ClientError::Timeout { .. }) => self.params = None,
            Err(error) => return Err(error),
        }
        let capabilities = self.transport.capabilities();
        let default = capabilities
            .default_buf_size
            .saturating_sub(capabilities.overhead);
        let buffers = self.params.map_or(1, |params| params.buf_count);
        Ok(UploadLimits {
            packet: self.announced_limit().unwrap_or(default),
            window: usize::try_from(buffers)
                .unwrap_or(1)
                .saturating_sub(1)
                .max(1),
        })
    }

    /// Bytes of the longest packet that the server has announced to take.
    fn announced_limit(&self) -> Option<usize> {
        let params = self.params?;
        let overhead = self.transport.capabilities().overhead;
        Some(
            usize::try_from(params.buf_size)
                .ok()?
                .saturating_sub(overhead),
        )
    }
}
